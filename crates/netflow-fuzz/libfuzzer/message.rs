//! libFuzzer's way into [`netflow_fuzz::message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netflow_fuzz::message(data));

//! libFuzzer's way into [`netflow_fuzz::session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netflow_fuzz::session(data));

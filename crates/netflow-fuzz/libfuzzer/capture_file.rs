//! libFuzzer's way into [`netflow_fuzz::capture_file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netflow_fuzz::capture_file(data));

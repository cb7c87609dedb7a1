//! libFuzzer's way into [`netflow_fuzz::flow_file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| netflow_fuzz::flow_file(data));

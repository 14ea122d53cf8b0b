#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| losses_fuzz::tensor_ops::run(data));

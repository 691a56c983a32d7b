//! engine
pub fn hello() -> Vec<i64> { tch::Tensor::randn([2,3], (tch::Kind::Float, tch::Device::Cpu)).size() }

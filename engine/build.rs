//! Writes libtorch's folder into programs and tests, so that they run from any folder.
//!
//! Cargo passes such a flag to no other crate: each one with a program or test names this file as
//! its `build`, and `torch-sys` among its dependencies, which is what makes cargo set the variable.

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    // The folder that torch-sys has linked against, wherever it came from.
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    }
}

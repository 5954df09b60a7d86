//! Every version that set-up installs, in one place.

/// The linker of BPF object files, from crates.io.
pub(crate) const BPF_LINKER: &str = "0.13.0";
/// The major versions of LLVM that this bpf-linker can use.
pub(crate) const BPF_LINKER_LLVMS: [u32; 3] = [21, 22, 23];
/// LLVM's major version in Debian's packages.
pub(crate) const DEBIAN_LLVM: u32 = 22;
/// What plugins are compiled for.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// The parser of OpenMetrics for the tests, from PyPI.
pub(crate) const PROMETHEUS_CLIENT: &str = "0.26.0";
/// The readers of exported tables for the tests, from PyPI.
pub(crate) const DUCKDB: &str = "2.0.0";
/// The other one.
pub(crate) const POLARS: &str = "2.1.0";
/// The checker of licences and sources, from crates.io.
pub(crate) const CARGO_DENY: &str = "0.20.2";
/// What makes components of Python for the tests, from PyPI; templates name it too.
pub(crate) const COMPONENTIZE_PY: &str = "0.25.0";
/// The same for JavaScript, from npm.
pub(crate) const COMPONENTIZE_JS: &str = "0.23.0";

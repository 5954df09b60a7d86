//! The cases that `vespid plugin test` runs with the component, with the native build.
use vespid_plugin::testing;

#[test]
fn the_cases_pass_natively() {
    testing::cases::<resource_usage::ResourceUsage>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
}

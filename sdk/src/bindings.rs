//! The interface as Rust types, generated from `wit/`.
//!
//! Plugins do not need these; they are public for [`export!`](crate::export) and for whoever wants the bare columns.
#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::mem_forget,
    clippy::mem_forget,
    clippy::undocumented_unsafe_blocks,
    reason = "generated; documented in wit/vespid.wit"
)]

wit_bindgen::generate!({
    path: "../wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_guest",
    generate_unused_types: true,
    additional_derives: [Default],
    additional_derives_ignore: ["manifest", "metric", "metric-kind", "level", "restored", "row", "severity", "verdict"],
});

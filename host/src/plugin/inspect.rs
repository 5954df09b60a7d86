//! Reads what a file is before it is compiled, let alone run: its interface version and what it imports.
//!
//! So a plugin of the wrong version is refused by that name, and not by a linker's complaint about a missing function.
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator};

use super::refusal::Why;
use crate::interface::ACCEPTED;

const PACKAGE: &str = "vespid:plugin/";
const GUEST: &str = "vespid:plugin/guest";
const LOG: &str = "vespid:plugin/log";

/// The interface version of a component that may be run.
///
/// # Errors
/// Why it may not.
pub fn inspect(bytes: &[u8]) -> Result<&'static str, Why> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Why::NotWasm);
    }
    let component = Outline::read(bytes)?;
    let version = component.version()?;
    component.check_imports(version)?;
    Ok(version)
}

/// Names of what a component imports and exports.
struct Outline {
    exports: Vec<String>,
    /// Name, and whether it is an instance that carries nothing but types.
    imports: Vec<(String, bool)>,
}

impl Outline {
    fn read(bytes: &[u8]) -> Result<Outline, Why> {
        let invalid = |error: wasmparser::BinaryReaderError| Why::Invalid(error.to_string());
        let mut validator = Validator::new();
        let mut outline = Outline {
            exports: Vec::new(),
            imports: Vec::new(),
        };
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(invalid)?;
            match &payload {
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                } if depth == 0 => return Err(Why::CoreModule),
                Payload::Version { .. } => depth += 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section.clone() {
                        outline
                            .imports
                            .push((import.map_err(invalid)?.name.name.to_owned(), false));
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section.clone() {
                        outline.exports.push(export.map_err(invalid)?.name.name.to_owned());
                    }
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Function bodies are left to the compiler.
            if let ValidPayload::End(types) = validator.payload(&payload).map_err(invalid)?
                && depth == 0
            {
                for (name, only_types) in &mut outline.imports {
                    *only_types = has_only_types(types.as_ref(), name);
                }
            }
        }
        Ok(outline)
    }

    fn version(&self) -> Result<&'static str, Why> {
        let offered = || self.exports.iter().filter_map(|name| version_of(name, GUEST));
        let known = ACCEPTED
            .iter()
            .find(|accepted| offered().any(|version| version == **accepted));
        known.copied().ok_or_else(|| match offered().next() {
            Some(version) => Why::Version {
                found: version.to_owned(),
            },
            None => Why::NoGuest,
        })
    }

    fn check_imports(&self, version: &str) -> Result<(), Why> {
        let forbidden = self.imports.iter().find(|(name, only_types)| {
            let is_log = version_of(name, LOG) == Some(version);
            let is_types = *only_types && name.starts_with(PACKAGE);
            !(is_log || is_types)
        });
        match forbidden {
            None => Ok(()),
            Some((name, _)) if name.starts_with("wasi:") => Err(Why::Wasi { import: name.clone() }),
            Some((name, _)) => Err(Why::Import { import: name.clone() }),
        }
    }
}

/// `0.1.0` of `vespid:plugin/guest@0.1.0`; empty if the name has no version.
fn version_of<'a>(name: &'a str, interface: &str) -> Option<&'a str> {
    match name.strip_prefix(interface)? {
        "" => Some(""),
        rest => rest.strip_prefix('@'),
    }
}

fn has_only_types(types: TypesRef<'_>, import: &str) -> bool {
    let Some(ComponentEntityType::Instance(id)) = types.component_item_for_import(import).map(|item| item.ty) else {
        return false;
    };
    types[id].exports.values().all(|export| match export.ty {
        // A resource comes with functions of the host's.
        ComponentEntityType::Type { created, .. } => !is_resource(created),
        _ => false,
    })
}

fn is_resource(id: wasmparser::component_types::ComponentAnyTypeId) -> bool {
    matches!(id, wasmparser::component_types::ComponentAnyTypeId::Resource(_))
}

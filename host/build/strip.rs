//! Leaves out of an object what only a debugger reads.
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

/// The object without its DWARF, which is most of it: the kernel is told the types of the programs by their BTF.
pub(crate) fn debug_information(object: &[u8]) -> object::build::Result<Vec<u8>> {
    let mut object = Builder::read(object)?;
    for section in &mut object.sections {
        let name = section.name.as_slice();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    object.delete_orphans();
    // LLVM puts the sections' names among the symbols'; here they need a section of their own.
    let names = object.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut out = Vec::new();
    object.write(&mut out)?;
    Ok(out)
}

//! A Parquet file in the making: rows are gathered into columns, and written a group at a time.
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::bytes::Bytes;

/// Rows held before they are written: some 10 MB.
const GROUP: usize = 16_384;

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    U32,
    I32,
    U64,
    I64,
    Time,
    Text,
}

impl Column {
    fn schema(self, name: &str) -> String {
        let kind = match self {
            Column::U32 => format!("INT32 {name} (INTEGER(32,false))"),
            Column::I32 => format!("INT32 {name} (INTEGER(32,true))"),
            Column::U64 => format!("INT64 {name} (INTEGER(64,false))"),
            Column::I64 => format!("INT64 {name} (INTEGER(64,true))"),
            Column::Time => format!("INT64 {name} (TIMESTAMP(NANOS,true))"),
            Column::Text => format!("BYTE_ARRAY {name} (STRING)"),
        };
        format!("REQUIRED {kind};")
    }

    fn values(self) -> Values {
        match self {
            Column::U32 | Column::I32 => Values::Four(Vec::new()),
            Column::U64 | Column::I64 | Column::Time => Values::Eight(Vec::new()),
            Column::Text => Values::Text(Vec::new()),
        }
    }
}

enum Values {
    Four(Vec<i32>),
    Eight(Vec<i64>),
    Text(Vec<ByteArray>),
}

pub(super) struct Table {
    name: String,
    file: PathBuf,
    part: Part,
    writer: SerializedFileWriter<File>,
    columns: Vec<Values>,
    held: usize,
    rows: u64,
}

/// A file that is not complete. What is left of it is removed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Completed, it has another name.
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

/// A row, filled from left to right.
pub(super) struct Row<'a> {
    columns: std::slice::IterMut<'a, Values>,
}

impl Table {
    /// Begins `NAME.parquet`, under another name until it is complete.
    pub(super) fn create(directory: &Path, name: &str, columns: Vec<(&str, Column)>) -> anyhow::Result<Table> {
        let fields: String = columns.iter().map(|(name, column)| column.schema(name)).collect();
        let schema = parse_message_type(&format!("message {name} {{ {fields} }}"))?;
        let file = directory.join(format!("{name}.parquet"));
        let part = Part(directory.join(format!("{name}.parquet.part")));
        let out = File::create(&part.0).with_context(|| format!("cannot write {}", part.0.display()))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let columns = columns.into_iter().map(|(_, column)| column.values()).collect();
        let name = name.to_owned();
        Ok(Table {
            name,
            file,
            part,
            writer,
            columns,
            held: 0,
            rows: 0,
        })
    }

    pub(super) fn row(&mut self) -> Row<'_> {
        Row {
            columns: self.columns.iter_mut(),
        }
    }

    /// Counts a row that has all its values.
    pub(super) fn end_row(&mut self) -> anyhow::Result<()> {
        self.held += 1;
        self.rows += 1;
        if self.held < GROUP {
            return Ok(());
        }
        self.write()
    }

    /// Completes the file, and says how many rows it has.
    pub(super) fn finish(mut self) -> anyhow::Result<String> {
        if self.held > 0 {
            self.write()?;
        }
        let Table {
            name,
            file,
            part,
            writer,
            rows,
            ..
        } = self;
        writer
            .into_inner()
            .map_err(anyhow::Error::from)
            .and_then(|out| Ok(out.sync_all()?))
            .and_then(|()| Ok(fs::rename(&part.0, &file)?))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(format!("{rows} {name}"))
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let at = || format!("cannot write {}", self.part.0.display());
        let mut group = self.writer.next_row_group().with_context(at)?;
        for values in &mut self.columns {
            let mut column = group
                .next_column()
                .with_context(at)?
                .context("a table has more columns than its schema")?;
            match values {
                Values::Four(values) => column.typed::<Int32Type>().write_batch(values, None, None),
                Values::Eight(values) => column.typed::<Int64Type>().write_batch(values, None, None),
                Values::Text(values) => column.typed::<ByteArrayType>().write_batch(values, None, None),
            }
            .with_context(at)?;
            column.close().with_context(at)?;
            match values {
                Values::Four(values) => values.clear(),
                Values::Eight(values) => values.clear(),
                Values::Text(values) => values.clear(),
            }
        }
        group.close().with_context(at)?;
        self.held = 0;
        Ok(())
    }
}

impl Row<'_> {
    #[expect(clippy::cast_possible_wrap, reason = "unsigned columns hold the bits")]
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.i32(value as i32)
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        match self.columns.next() {
            Some(Values::Four(values)) => values.push(value),
            _ => debug_assert!(false, "not a column of 32 bits"),
        }
        self
    }

    #[expect(
        clippy::cast_possible_wrap,
        reason = "unsigned columns hold the bits, and times end in 2262"
    )]
    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.i64(value as i64)
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        match self.columns.next() {
            Some(Values::Eight(values)) => values.push(value),
            _ => debug_assert!(false, "not a column of 64 bits"),
        }
        self
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.text(&Bytes::from(value).to_string())
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        match self.columns.next() {
            Some(Values::Text(values)) => values.push(value.into()),
            _ => debug_assert!(false, "not a column of text"),
        }
        self
    }
}

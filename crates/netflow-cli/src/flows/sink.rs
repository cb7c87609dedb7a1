//! Where flows go: straight to the output, or through a sorter.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use netflow_flow::{Flow, FlowReader, Flows, GzipBlock};
use netflow_parquet::{ParquetFile, RowGroup};
use tempfile::NamedTempFile;

use super::form::{Form, Target};
use super::lines::{Block, Last, Lines, Spare};
use super::order::Order;
use super::sorter::Sorter;
use crate::output;

/// Octets of text that are compressed at a time.
const GZIP: usize = 1 << 20;
/// Flows of Parquet that are encoded at a time.
const BATCH: usize = 1_024;

/// There are as many flows as are wanted.
#[derive(Debug, thiserror::Error)]
#[error("there are enough")]
pub(crate) struct Enough;

/// Takes flows.
pub(crate) struct Sink {
    form: Form,
    order: Order,
    /// How many more are wanted.
    left: u64,
    written: u64,
    sorter: Option<Sorter>,
    out: Out,
    replacement: Option<Replacement>,
    spare: Spare,
    last: Last,
}

enum Out {
    Text(Box<dyn Write>),
    Gzip(Box<dyn Write>, Vec<u8>),
    Parquet(Box<Parquet>),
}

struct Parquet {
    file: ParquetFile<Box<dyn Write>>,
    group: RowGroup,
    flows: Flows,
}

impl Sink {
    pub(crate) fn new(target: Target, order: Order, limit: Option<u64>) -> anyhow::Result<Self> {
        let Target { form, path, gzip, heading } = target;
        let mut replacement = None;
        let writer: Box<dyn Write> = match &path {
            Some(path) => {
                let (file, named) = create(path)?;
                replacement = named;
                Box::new(file)
            }
            None if matches!(form, Form::Parquet) && std::io::stdout().is_terminal() => {
                bail!("parquet is nothing for a terminal; name a file with -o")
            }
            None => Box::new(output::data()),
        };
        let writer: Box<dyn Write> = Box::new(BufWriter::with_capacity(1 << 17, writer));
        let out = match form {
            Form::Parquet => Out::Parquet(Box::new(Parquet {
                file: ParquetFile::new(writer)?,
                group: RowGroup::new()?,
                flows: Flows::new(),
            })),
            _ if gzip => Out::Gzip(writer, Vec::new()),
            _ => Out::Text(writer),
        };
        let sorter = (!order.is_none()).then(|| Sorter::new(limit));
        let left = limit.unwrap_or(u64::MAX);
        let mut sink = Self {
            form,
            order,
            left,
            written: 0,
            sorter,
            out,
            replacement,
            spare: Spare::default(),
            last: Last::default(),
        };
        if heading {
            let mut head = Vec::new();
            sink.lines().head(&mut head);
            if !matches!(sink.form, Form::Parquet) {
                sink.out.text(&head)?;
            }
        }
        Ok(sink)
    }

    /// Makes what [`block`](Self::block) takes.
    pub(crate) fn lines(&self) -> Lines {
        Lines::new(&self.form, self.order.clone(), self.spare.clone(), self.last.clone())
    }

    /// Whether it takes lines, and not flows.
    pub(crate) fn takes_lines(&self) -> bool {
        self.sorter.is_some() || !matches!(self.form, Form::Parquet)
    }

    /// Takes lines. The error [`Enough`] says that no more are wanted.
    pub(crate) fn block(&mut self, block: Block) -> anyhow::Result<()> {
        if let Some(sorter) = &mut self.sorter {
            sorter.push(&block)?;
            if let Some(key) = sorter.last() {
                self.last.set(key);
            }
            self.spare.give(block);
            return Ok(());
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(block.ends.len());
        let end = wanted.checked_sub(1).map_or(0, |last| block.ends[last]);
        self.out.text(&block.text[..end])?;
        self.spare.give(block);
        self.count(wanted as u64)
    }

    /// Takes a flow, to be written as such.
    pub(crate) fn flow(&mut self, flow: &Flow) -> anyhow::Result<()> {
        if self.left == 0 {
            return Err(Enough.into());
        }
        if let Out::Parquet(parquet) = &mut self.out {
            parquet.flow(flow)?;
        }
        self.count(1)
    }

    fn count(&mut self, written: u64) -> anyhow::Result<()> {
        self.written += written;
        self.left -= written;
        if self.left == 0 { Err(Enough.into()) } else { Ok(()) }
    }

    /// Writes what is left, and says how many flows there were.
    pub(crate) fn finish(mut self) -> anyhow::Result<u64> {
        if let Some(sorter) = self.sorter.take() {
            let (out, written) = (&mut self.out, &mut self.written);
            sorter.finish(&mut |line| {
                *written += 1;
                out.line(line)
            })?;
        }
        match self.out {
            Out::Text(mut out) => out.flush()?,
            Out::Gzip(mut out, text) => {
                if !text.is_empty() || self.written == 0 {
                    out.write_all(&GzipBlock::default().compress(&text)?)?;
                }
                out.flush()?;
            }
            Out::Parquet(parquet) => parquet.finish()?,
        }
        if let Some(Replacement { file, path }) = self.replacement {
            let named = file.persist(&path).map_err(|error| error.error);
            named.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(self.written)
    }
}

impl Out {
    fn text(&mut self, text: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Text(out) => out.write_all(text)?,
            Self::Gzip(out, waiting) => {
                waiting.extend_from_slice(text);
                if waiting.len() >= GZIP {
                    out.write_all(&GzipBlock::default().compress(waiting)?)?;
                    waiting.clear();
                }
            }
            Self::Parquet(_) => {}
        }
        Ok(())
    }

    /// A line that was sorted; for Parquet it is a flow in JSON.
    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let Self::Parquet(parquet) = self else { return self.text(line) };
        let mut flows = Vec::new();
        FlowReader::new(line)?.read(&mut flows)?;
        flows.iter().try_for_each(|flow| parquet.flow(flow))
    }
}

impl Parquet {
    fn flow(&mut self, flow: &Flow) -> anyhow::Result<()> {
        self.flows.push(flow);
        if self.flows.len() >= BATCH {
            self.flush()?;
            if self.group.is_full() {
                self.file.append(&self.group.finish()?)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.group.push(&self.flows)?;
        self.flows.clear();
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if self.group.rows() > 0 {
            self.file.append(&self.group.finish()?)?;
        }
        Ok(self.file.finish()?.flush()?)
    }
}

/// A file that has its name when it is whole: so it may be one of those that are read. A pipe or a device is written to
/// as it is.
struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

/// Opens what is written to, and says what is to get its name in the end.
fn create(path: &Path) -> anyhow::Result<(File, Option<Replacement>)> {
    let cannot = || format!("cannot write {}", path.display());
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => bail!("cannot write {}: it is a directory", path.display()),
        Ok(metadata) if !metadata.is_file() => {
            Ok((File::options().write(true).open(path).with_context(cannot)?, None))
        }
        _ => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let mut builder = tempfile::Builder::new();
            builder.prefix(".nf.").suffix(".tmp");
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let file = builder.tempfile_in(directory.unwrap_or(Path::new("."))).with_context(cannot)?;
            let writer = file.as_file().try_clone().with_context(cannot)?;
            Ok((writer, Some(Replacement { file, path: path.to_owned() })))
        }
    }
}

//! From decoded data to blocks of a file.

use std::io;

use netflow_templates::{Context, DataSet, MessageSink, Problem, TemplateChange};

use super::{PacketWriter, write_csv_flow, write_flow_line};
use crate::file::Format;
use crate::flows::Flows;
use crate::gzip::GzipBlock;
use crate::normalize::{Normalizer, SamplingOverride};

/// Encodes what a session decodes, in one of the formats of flow files that are text.
///
/// A sink: after each export packet [`end_packet`](Self::end_packet) is called, and now and then, also within
/// packets, for which much may have waited, [`take_block`](Self::take_block), whose octets are to be appended to the file in one piece. Encoders of
/// several threads can write to one file.
#[derive(Debug)]
pub struct FlowEncoder {
    format: Format,
    gzip: Option<GzipBlock>,
    packet: PacketWriter,
    normalizer: Normalizer,
    flows: Flows,
    text: Vec<u8>,
}

/// A format that is no text, so that no [`FlowEncoder`] is for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no text, and is not written as such")]
pub struct NotText(pub Format);

impl FlowEncoder {
    /// An encoder for a format, compressed with `gzip` if given. Parquet is no text, and an error: the crate
    /// `netflow-parquet` writes it.
    pub fn new(format: Format, gzip: Option<GzipBlock>, sampling: SamplingOverride) -> Result<Self, NotText> {
        if format == Format::Parquet {
            return Err(NotText(format));
        }
        Ok(Self {
            format,
            gzip,
            packet: PacketWriter::new(),
            normalizer: Normalizer::with_sampling_override(sampling),
            flows: Flows::new(),
            text: Vec::new(),
        })
    }

    /// Appends flows that are normalised already, in a format of flows; those of export packets take none.
    pub fn flows(&mut self, flows: &Flows) {
        match self.format {
            Format::FlowLines => flows.iter().for_each(|flow| write_flow_line(&mut self.text, flow)),
            Format::Csv => flows.iter().for_each(|flow| write_csv_flow(&mut self.text, flow)),
            // Export packets are no flows; for Parquet there is no encoder.
            Format::Packets | Format::Parquet => {}
        }
    }

    /// Ends an export packet.
    pub fn end_packet(&mut self) {
        if self.format == Format::Packets {
            self.packet.write_line(&mut self.text);
        }
    }

    /// Octets of text that wait to be taken.
    pub fn buffered(&self) -> usize {
        self.text.len()
    }

    /// The text since the last call, compressed if so asked; `None` when there is none.
    pub fn take_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let block = match self.gzip {
            Some(gzip) => {
                let block = gzip.compress(&self.text)?;
                self.text.clear();
                block
            }
            None => std::mem::take(&mut self.text),
        };
        Ok(Some(block))
    }
}

impl MessageSink for FlowEncoder {
    fn packet(&mut self, context: &Context<'_>) {
        if self.format == Format::Packets {
            self.packet.packet(context);
        }
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        match self.format {
            Format::Packets => {
                self.packet.data(context, set);
                self.packet.write_late_lines(&mut self.text);
            }
            _ => {
                let mut flows = std::mem::take(&mut self.flows);
                self.normalizer.normalize(context, set, &mut flows);
                self.flows(&flows);
                flows.clear();
                self.flows = flows;
            }
        }
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        if self.format == Format::Packets {
            self.packet.options(context, set);
        }
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        if self.format == Format::Packets {
            self.packet.template(context, change);
        }
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        if self.format == Format::Packets {
            self.packet.problem(context, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_formats_that_are_text_have_an_encoder() {
        for format in [Format::Packets, Format::FlowLines, Format::Csv] {
            assert_eq!(FlowEncoder::new(format, None, None).unwrap().buffered(), 0);
        }
        let error = FlowEncoder::new(Format::Parquet, None, None).unwrap_err();
        assert_eq!(error.to_string(), "parquet is no text, and is not written as such");
    }
}

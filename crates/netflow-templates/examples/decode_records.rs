//! Decodes the records of a v9 packet that brings its own template, with a sink that prints them.
//!
//! `cargo run -p netflow-templates --example decode_records`
#![allow(clippy::print_stdout, reason = "an example")]

use netflow_templates::{
    Context, DataSet, Exporter, MessageSink, Problem, Session, TemplateChange, Timestamp,
};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, WireError, element_id as ie, v9,
};

/// Prints what a session decodes.
struct Printer;

impl MessageSink for Printer {
    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        println!("packet {}: {} records of template {}", context.packet, set.len(), set.plan().template_id());
        for record in set.records() {
            let fields: Vec<_> =
                record.values().map(|(field, value)| format!("{}={value}", field.name())).collect();
            println!("  {}", fields.join(" "));
        }
    }

    fn template(&mut self, _context: &Context<'_>, change: TemplateChange<'_>) {
        if let TemplateChange::Sent { definition, new, .. } = change {
            let known = if new { "new" } else { "known already" };
            println!("template {}: {} fields, {known}", definition.template_id, definition.fields.len());
        }
    }

    fn problem(&mut self, _context: &Context<'_>, problem: Problem) {
        println!("! {problem}");
    }
}

fn main() -> Result<(), WireError> {
    let exporter = Exporter { address: [192, 0, 2, 254].into(), port: 2055 };
    let received = Timestamp::from_secs(1_714_564_801);
    let mut session = Session::new();

    // Data first: nothing says yet what the octets mean, so they wait.
    session.decode(exporter, received, &packet(0, false), &mut Printer)?;
    // Then the template with more data; what waited is decoded before the packet's own records.
    session.decode(exporter, received, &packet(1, true), &mut Printer)?;

    println!("{:?}", session.statistics());
    Ok(())
}

/// A v9 export packet with two records, and their template before them if it is wanted.
fn packet(sequence: u32, with_template: bool) -> Vec<u8> {
    let count = if with_template { 3 } else { 2 };
    let header = v9::Header { count, unix_seconds: 1_714_564_800, sequence, ..v9::Header::default() };
    let mut encoder = MessageEncoder::new(Header::V9(header));
    if with_template {
        let fields = vec![
            FieldSpecifier::iana(ie::SOURCE_IPV4_ADDRESS, 4),
            FieldSpecifier::iana(ie::DESTINATION_TRANSPORT_PORT, 2),
            FieldSpecifier::iana(ie::PROTOCOL_IDENTIFIER, 1),
            // Three octets: counters come in the size that the exporter likes.
            FieldSpecifier::iana(ie::OCTET_DELTA_COUNT, 3),
        ];
        encoder.template(&TemplateDefinition {
            template_id: 300,
            scope_count: 0,
            options: false,
            fields,
            offset: 0,
        });
    }
    encoder.begin_set(300);
    for host in 1..=2 {
        encoder.octets(&[192, 0, 2, host]).octets(&443_u16.to_be_bytes()).octets(&[6]).octets(&[0, 16, host]);
    }
    encoder.finish()
}

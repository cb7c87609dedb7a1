//! Takes an export packet apart: header, sets, template records. Nothing is decoded beyond that.
//!
//! `cargo run -p netflow-wire --example dump_sets` builds a packet to look at;
//! `cargo run -p netflow-wire --example dump_sets -- 0005001e...` looks at one that is given as hex.
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;

use netflow_wire::{
    FieldSpecifier, Header, Message, MessageEncoder, SetKind, TemplateDefinition, VARIABLE_LENGTH,
    element_id as ie, enterprise, ipfix,
};

fn main() -> Result<(), Box<dyn Error>> {
    let packet = match std::env::args().nth(1) {
        Some(hex) => octets(&hex)?,
        None => sample(),
    };
    dump(&packet)
}

fn dump(packet: &[u8]) -> Result<(), Box<dyn Error>> {
    let message = Message::parse(packet)?;
    let header = message.header();
    println!("version {}, {} octets, header: {header:?}", header.version(), message.len());
    for set in message.sets() {
        // A set that is framed wrongly does not hide the ones before it.
        let set = match set {
            Ok(set) => set,
            Err(error) => {
                println!("! {error}");
                continue;
            }
        };
        match set.kind {
            SetKind::Template | SetKind::OptionsTemplate => {
                println!("set {}, body at octet {}: templates", set.id, set.offset);
                for template in set.templates() {
                    let template = template?;
                    println!("  template {} with {} fields", template.template_id, template.fields.len());
                    for field in &template.fields {
                        println!("    element {}.{}, length {}", field.enterprise, field.id, field.length);
                    }
                }
            }
            SetKind::Data => {
                println!("set {}, body at octet {}: {} octets of data", set.id, set.offset, set.body.len())
            }
            SetKind::Fixed(layout) => {
                println!(
                    "{} x {} of {} octets",
                    set.body.len() / layout.record_len,
                    layout.name,
                    layout.record_len
                );
            }
            SetKind::Reserved => {
                println!("set {}, body at octet {}: no RFC says what it holds", set.id, set.offset)
            }
        }
    }
    Ok(())
}

/// An IPFIX message with a template of three fields and one record of it.
fn sample() -> Vec<u8> {
    let header = Header::Ipfix(ipfix::Header { export_time: 1_714_564_800, ..ipfix::Header::default() });
    let fields = vec![
        FieldSpecifier::iana(ie::SOURCE_IPV4_ADDRESS, 4),
        FieldSpecifier::iana(ie::APPLICATION_NAME, VARIABLE_LENGTH),
        FieldSpecifier::of(enterprise::REVERSE, ie::OCTET_DELTA_COUNT, 4),
    ];
    let template = TemplateDefinition { template_id: 256, scope_count: 0, options: false, fields, offset: 0 };
    let mut encoder = MessageEncoder::new(header);
    encoder.template(&template).begin_set(256);
    encoder.octets(&[192, 0, 2, 1]).octets(b"\x03dns").octets(&1_200_u32.to_be_bytes());
    encoder.finish()
}

fn octets(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !hex.is_ascii() || hex.len() % 2 == 1 {
        return Err("hex has two digits for each octet".into());
    }
    let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    Ok(octets.collect::<Result<_, _>>()?)
}

//! Export packets.

use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, ipfix, v9,
};

use super::{Input, Sent};

type Make = fn(usize) -> Input;

/// Names and makers.
pub(super) const PACKETS: &[(&str, Make)] = &[
    ("empty sets of one unknown template", |size| alone(sets(size, |_| 256, &[]))),
    ("empty sets of many unknown templates", |size| alone(sets(size, many, &[]))),
    ("empty sets of a known template", |size| after_template(sets(size, |_| 256, &[]))),
    ("sets of one record", |size| after_template(sets(size, |_| 256, &[1]))),
    ("reserved sets", |size| alone(sets(size, |_| 77, &[]))),
    ("empty template sets", |size| alone(sets(size, |_| 2, &[]))),
    ("template sets that claim 65,535 fields", |size| {
        alone(sets(size, |_| 2, &[1, 0, 255, 255, 0, 8, 0, 4]))
    }),
    ("templates of one field", |size| alone(templates(size, many, 1))),
    ("one template, changed again and again", |size| alone(templates(size, |_| 256, 1))),
    ("one template, sent again and again", |size| after_template(sets(size, |_| 2, &TEMPLATE))),
    ("templates of forty fields", |size| alone(templates(size, many, 40))),
    ("a wide template", |size| alone(wide_template(size, 1))),
    ("records of a wide template", |size| wide(size, 1)),
    ("records of wide templates that change", |size| wide_changing(size)),
    ("a wide template of empty fields", |size| alone(wide_template(size, 0))),
    ("values of variable length", |size| wide(size, VARIABLE_LENGTH)),
    ("records of one octet", one_octet_records),
    ("records of one octet, with options of many domains", |size| behind_options(size, one_octet_records)),
    ("records of one octet, with many names", |size| behind_names(size, one_octet_records)),
    ("records of one octet and nine empty fields", one_octet_and_empty_fields),
    ("options records of one octet", one_octet_options),
    ("options records of names", |size| Input::Packets { before: Vec::new(), then: names(size) }),
    ("flows with names of other domains", flows_with_names_elsewhere),
    ("sets of one record, with options of many domains", |size| {
        behind_options(size, |size| after_template(sets(size, |_| 256, &[1])))
    }),
    ("templates, with options of many domains", |size| {
        behind_options(size, |size| alone(templates(size, many, 1)))
    }),
    ("reserved sets, with options of many domains", |size| {
        behind_options(size, |size| alone(sets(size, |_| 77, &[])))
    }),
    ("options data of many domains", |size| Input::Packets {
        before: Vec::new(),
        then: options_of_domains(size / 64),
    }),
    ("basicLists within basicLists", nested_lists),
    ("a basicList of one-octet values", |size| {
        list(ie::BASIC_LIST, &[&[3, 0, 4, 0, 1][..], &vec![6; size]].concat())
    }),
    ("empty basicLists", |size| lists(size, ie::BASIC_LIST, &[3, 0, 4, 0, 1])),
    ("a subTemplateList of one-octet records", |size| {
        list(ie::SUB_TEMPLATE_LIST, &[&[3, 1, 0][..], &vec![6; size]].concat())
    }),
    ("a subTemplateMultiList of empty lists", |size| {
        list(ie::SUB_TEMPLATE_MULTI_LIST, &[&[3][..], &[1, 0, 0, 4].repeat(size / 4)].concat())
    }),
    ("lists that are wrong at their end", |size| {
        lists(size, ie::BASIC_LIST, &[3, 0, 82, 255, 255, 1, 65, 9])
    }),
    ("sets that wait, then their templates", |size| {
        let half = size / 2;
        Input::Packets {
            before: exporter(0, sets(half, many, &[])),
            then: exporter(0, templates(half, many, 1)),
        }
    }),
    ("one template, for which packets full of one-octet records waited", |size| {
        let before = vec![(0, message(0, &set(256, &vec![6; size]))); 16];
        Input::Packets { before, then: exporter(0, set(2, &TEMPLATE)) }
    }),
    ("sets and their templates in one packet", |size| {
        let (sets, templates) = (sets(size / 2, many, &[]), templates(size / 2, many, 1));
        alone([&sets[..], &templates].concat())
    }),
    ("withdrawals of templates while sets wait", |size| {
        let before =
            [exporter(0, templates(size, many, 1)), exporter(0, sets(size, |at| 40_000 + many(at), &[]))];
        Input::Packets { before: before.concat(), then: exporter(0, withdrawals(size, many)) }
    }),
    ("withdrawals of all options templates, of which there are none", |size| Input::Packets {
        before: exporter(0, templates(size, many, 1)),
        then: exporter(0, withdrawals(size, |_| 3)),
    }),
    ("zeros and one octet in a template set", |size| {
        let mut body = vec![0; size];
        body.push(1);
        alone(set(2, &body))
    }),
    ("templates of ever new domains", |size| domains(size, 0)),
    ("templates of ever new domains, when the table is full", |size| domains(size, 260_000)),
    ("waiting sets of ever new domains", |size| waiting(size, 0)),
    ("waiting sets, when there is no room", |size| waiting(size, 300_000)),
    ("v9 sets without a length", |size| Input::Packets {
        before: Vec::new(),
        then: vec![(0, v9_of(&[1, 0, 0, 0].repeat(size / 4)))],
    }),
];

/// protocolIdentifier, of one octet, as template 256.
const TEMPLATE: [u8; 8] = [1, 0, 0, 1, 0, 4, 0, 1];

fn many(at: usize) -> u16 {
    256 + (at % 60_000) as u16
}

fn message(domain: u32, body: &[u8]) -> Vec<u8> {
    let header = ipfix::Header { observation_domain_id: domain, ..ipfix::Header::default() };
    let mut packet = MessageEncoder::new(Header::Ipfix(header));
    packet.octets(body);
    let mut octets = packet.finish();
    // Some inputs are of hundreds of thousands.
    octets.shrink_to_fit();
    octets
}

fn v9_of(body: &[u8]) -> Vec<u8> {
    let mut packet = MessageEncoder::new(Header::V9(v9::Header::default()));
    packet.octets(body);
    packet.finish()
}

fn exporter(number: u32, body: Vec<u8>) -> Vec<Sent> {
    vec![(number, message(0, &body))]
}

fn alone(body: Vec<u8>) -> Input {
    Input::Packets { before: Vec::new(), then: exporter(0, body) }
}

fn after_template(body: Vec<u8>) -> Input {
    Input::Packets { before: exporter(0, set(2, &TEMPLATE)), then: exporter(0, body) }
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &(body.len() as u16 + 4).to_be_bytes(), body].concat()
}

fn sets(size: usize, id: fn(usize) -> u16, body: &[u8]) -> Vec<u8> {
    (0..size / (body.len() + 4)).flat_map(|at| set(id(at), body)).collect()
}

fn template(id: u16, fields: impl IntoIterator<Item = (u16, u16)>) -> Vec<u8> {
    let fields: Vec<_> =
        fields.into_iter().flat_map(|(id, length)| [id.to_be_bytes(), length.to_be_bytes()]).collect();
    [&id.to_be_bytes()[..], &(fields.len() as u16 / 2).to_be_bytes(), &fields.concat()].concat()
}

/// Template records, no two of which are alike.
fn templates(size: usize, id: fn(usize) -> u16, fields: usize) -> Vec<u8> {
    let record = |at: usize| template(id(at), (0..fields).map(|field| (4, 1 + ((at + field) % 200) as u16)));
    set(2, &(0..size / (4 + fields * 4)).flat_map(record).collect::<Vec<_>>())
}

fn withdrawals(size: usize, id: fn(usize) -> u16) -> Vec<u8> {
    set(2, &(0..size / 4).flat_map(|at| template(id(at), [])).collect::<Vec<_>>())
}

/// Of all elements that there are, again and again; `length` 0 with as many octets as fields, so that it is kept.
fn wide_template(size: usize, length: u16) -> Vec<u8> {
    let length = |at: usize| if length == 0 { (at % 2) as u16 } else { length };
    set(2, &template(256, (0..size / 4 - 2).map(|at| (1 + (at % 520) as u16, length(at)))))
}

fn wide(size: usize, length: u16) -> Input {
    let then = exporter(0, set(256, &vec![0; size]));
    Input::Packets { before: exporter(0, wide_template(size, length)), then }
}

/// A template and a record of it each time.
fn wide_changing(size: usize) -> Input {
    let fields = 200;
    let one = |at: usize| {
        let fields = (0..fields).map(|field| (1 + ((at * 7 + field) % 500) as u16, 1));
        [set(2, &template(256, fields)), set(256, &[1; 200])].concat()
    };
    alone((0..size / (fields * 5 + 12)).flat_map(one).collect())
}

fn one_octet_records(size: usize) -> Input {
    after_template(set(256, &vec![6; size]))
}

fn one_octet_and_empty_fields(size: usize) -> Input {
    let fields = [(4, 1)].into_iter().chain((0..9).map(|field| (1 + field, 0)));
    Input::Packets {
        before: exporter(0, set(2, &template(256, fields))),
        then: exporter(0, set(256, &vec![6; size])),
    }
}

fn options_template(id: u16, scope: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    let fields = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
    let definition =
        TemplateDefinition { template_id: id, scope_count: scope, options: true, fields, offset: 0 };
    let mut packet = MessageEncoder::new(Header::Ipfix(ipfix::Header::default()));
    packet.template(&definition);
    packet.finish().split_off(ipfix::HEADER_LEN)
}

fn one_octet_options(size: usize) -> Input {
    let before = exporter(0, options_template(256, 1, &[(ie::SAMPLER_ID, 1)]));
    Input::Packets { before, then: exporter(0, set(256, &vec![6; size])) }
}

/// Options data of `count` domains, of one exporter: a sampling rate of an interface, and its name.
fn options_of_domains(count: usize) -> Vec<Sent> {
    let template = options_template(
        400,
        1,
        &[(ie::INGRESS_INTERFACE, 4), (ie::SAMPLING_INTERVAL, 4), (ie::INTERFACE_NAME, 4)],
    );
    (1..=count as u32)
        .map(|domain| {
            let record = [&domain.to_be_bytes()[..], &(domain % 9 + 2).to_be_bytes(), b"ge-0"].concat();
            (0, message(domain, &[&template[..], &set(400, &record)].concat()))
        })
        .collect()
}

/// The same of domains that the input's exporter has beside its own.
fn behind_options(size: usize, make: Make) -> Input {
    let Input::Packets { before, then } = make(size) else { unreachable!("packets are made of packets") };
    Input::Packets { before: [options_of_domains(4_000), before].concat(), then }
}

fn names(size: usize) -> Vec<Sent> {
    let template = options_template(400, 1, &[(ie::INGRESS_INTERFACE, 4), (ie::INTERFACE_NAME, 4)]);
    let records: Vec<_> =
        (0..size as u32 / 8).flat_map(|index| [index.to_be_bytes(), *b"ge-0"].concat()).collect();
    exporter(0, [template, set(400, &records)].concat())
}

fn behind_names(size: usize, make: Make) -> Input {
    let Input::Packets { before, then } = make(size) else { unreachable!("packets are made of packets") };
    Input::Packets { before: [names(60_000), before].concat(), then }
}

/// Every record has interfaces, which other domains have names for, but not these.
fn flows_with_names_elsewhere(size: usize) -> Input {
    let fields = [(ie::INGRESS_INTERFACE, 2), (ie::EGRESS_INTERFACE, 2)];
    let before = [options_of_domains(4_000), exporter(0, set(2, &template(256, fields)))].concat();
    Input::Packets { before, then: exporter(0, set(256, &vec![0xfe; size])) }
}

fn long(octets: &[u8]) -> Vec<u8> {
    [&[255][..], &(octets.len() as u16).to_be_bytes(), octets].concat()
}

/// Template 256 for records within lists, and 300 of one list; a record of it.
fn list(element: u16, octets: &[u8]) -> Input {
    let templates = [TEMPLATE.to_vec(), template(300, [(element, VARIABLE_LENGTH)])].concat();
    Input::Packets { before: exporter(0, set(2, &templates)), then: exporter(0, set(300, &long(octets))) }
}

/// Records of one short list each.
fn lists(size: usize, element: u16, octets: &[u8]) -> Input {
    let Input::Packets { before, .. } = list(element, &[]) else {
        unreachable!("packets are made of packets")
    };
    let record = [&[octets.len() as u8][..], octets].concat();
    Input::Packets { before, then: exporter(0, set(300, &record.repeat(size / record.len()))) }
}

/// As deep as lists are followed, each of as many lists as fit.
fn nested_lists(size: usize) -> Input {
    let head = [&[3][..], &ie::BASIC_LIST.to_be_bytes(), &VARIABLE_LENGTH.to_be_bytes()].concat();
    let mut octets = vec![3, 0, 4, 0, 1, 6];
    for depth in 0..12 {
        let item = long(&octets);
        let room = (size >> (12 - depth).min(6)).saturating_sub(60);
        octets = [&head[..], &item.repeat((room / item.len()).max(1))].concat();
    }
    list(ie::BASIC_LIST, &octets)
}

/// A template of each domain, after `full` of others.
fn domains(size: usize, full: u32) -> Input {
    let packet = |number: u32| (number, message(number, &set(2, &TEMPLATE)));
    Input::Packets {
        before: (0..full).map(packet).collect(),
        then: (full..full + size as u32 / 28).map(packet).collect(),
    }
}

fn waiting(size: usize, full: u32) -> Input {
    let packet = |number: u32| (number % 999, message(number, &set(many(number as usize), &[1])));
    Input::Packets {
        before: (0..full).map(packet).collect(),
        then: (full..full + size as u32 / 21).map(packet).collect(),
    }
}

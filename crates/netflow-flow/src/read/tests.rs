use netflow_templates::{Context, DataSet, Exporter, MessageSink, Problem, Session, TemplateChange};
use netflow_wire::{
    FieldSpecifier, Header, MessageEncoder, TemplateDefinition, VARIABLE_LENGTH, element_id as ie,
    enterprise, ipfix,
};

use super::lines::{MAX_LINE, MAX_ROW};
use super::*;
use crate::{FlowEncoder, Flows, Format, GzipBlock, OptionsProblems, Value};

const NOW: u32 = 1_714_564_800;

/// All flows of a file, and the errors; the same when lines are parsed ahead, by any number of threads.
fn read(file: &[u8]) -> (Vec<Flow>, Vec<String>) {
    let whole = read_by(file, None);
    for threads in [1, 3] {
        assert!(read_by(file, NonZero::new(threads)) == whole, "{threads} threads");
    }
    (whole.0, whole.1)
}

/// The flows, the errors, and the number of the last line.
fn read_by(file: &[u8], threads: Option<NonZero<usize>>) -> (Vec<Flow>, Vec<String>, u64) {
    let (mut all, mut errors, mut flows) = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = match FlowReader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (all, vec![error.to_string()], 0),
    };
    if let Some(threads) = threads {
        reader.read_all(threads, |read| {
            match read {
                Ok(flows) => all.append(flows),
                Err(error) => errors.push(error.to_string()),
            }
            ControlFlow::Continue(())
        });
        return (all, errors, reader.line());
    }
    loop {
        match reader.read(&mut flows) {
            Ok(true) => all.append(&mut flows),
            Ok(false) => return (all, errors, reader.line()),
            Err(error) => errors.push(error.to_string()),
        }
    }
}

/// The line of a packet with so many records.
fn line_of(records: usize) -> String {
    ipfix_line(&format!(r#""flows":[{}]"#, vec![r#"{"octetDeltaCount":1}"#; records].join(",")))
}

#[test]
fn memory_of_lines_that_are_parsed_ahead_is_bounded() {
    // A long line in each place of a batch.
    let file: String = (0..200).map(|place| line_of(1).repeat(place) + &line_of(5_000)).collect();
    let mut lines = Lines::new(file.as_bytes()).unwrap();
    let mut batch = ahead::Batch::default();
    let (mut most, mut batches) = (0, 0);
    while batch.fill(&mut lines) {
        batch.parse();
        (most, batches) = (most.max(batch.memory()), batches + 1);
    }
    assert!(batches > 100 && most < 2 * ahead::KEPT, "{most} octets, {batches} batches");
}

/// An IPFIX packet with fields of many types, options data that say when the exporter started, and two records.
fn packet() -> Vec<u8> {
    let header = ipfix::Header {
        export_time: NOW,
        sequence_number: 9,
        observation_domain_id: 5,
        ..Default::default()
    };
    let mut packet = MessageEncoder::new(Header::Ipfix(header));
    let options = TemplateDefinition {
        template_id: 300,
        scope_count: 1,
        options: true,
        fields: vec![
            FieldSpecifier::iana(143, 4),
            FieldSpecifier::iana(ie::SYSTEM_INIT_TIME_MILLISECONDS, 8),
        ],
        offset: 0,
    };
    packet.template(&options).begin_set(300);
    packet.octets(&[0, 0, 0, 1]).octets(&(u64::from(NOW - 100) * 1000).to_be_bytes());
    let fields = [
        (enterprise::IANA, ie::SOURCE_IPV6_ADDRESS, 16),
        (enterprise::IANA, ie::DESTINATION_IPV4_ADDRESS, 4),
        (enterprise::IANA, ie::OCTET_DELTA_COUNT, 8),
        (enterprise::REVERSE, ie::OCTET_DELTA_COUNT, 4),
        (enterprise::IANA, ie::FLOW_START_SYS_UP_TIME, 4),
        (enterprise::IANA, ie::FLOW_END_NANOSECONDS, 8),
        (enterprise::IANA, ie::APPLICATION_NAME, VARIABLE_LENGTH),
        (enterprise::IANA, ie::SOURCE_MAC_ADDRESS, 6),
        (enterprise::IANA, ie::APPLICATION_ID, 4),
        (enterprise::IANA, ie::PROTOCOL_IDENTIFIER, 1),
        (enterprise::IANA, ie::ICMP_TYPE_CODE_IPV4, 2),
        (enterprise::IANA, ie::MPLS_TOP_LABEL_STACK_SECTION, 3),
        (enterprise::IANA, ie::SAMPLER_ID, 1),
        (enterprise::IANA, ie::SAMPLER_ID, 1),
        (64_999, 3, 3),
        // Without octets in the template, and without octets in the records.
        (64_999, 4, 0),
        (64_999, 5, VARIABLE_LENGTH),
    ];
    let fields = fields.map(|(enterprise, id, length)| FieldSpecifier { enterprise, id, length }).to_vec();
    packet.template(&TemplateDefinition {
        template_id: 256,
        scope_count: 0,
        options: false,
        fields,
        offset: 0,
    });
    packet.begin_set(256);
    for (number, name) in [(1u8, "a, \"b\""), (2, "")] {
        packet
            .octets(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
            .octets(&[192, 0, 2, number]);
        packet.octets(&u64::MAX.to_be_bytes()).octets(&[0, 0, 1, number]).octets(&40_000u32.to_be_bytes());
        packet.octets(&((u64::from(NOW) + 2_208_988_800) << 32 | 1 << 30).to_be_bytes());
        packet.octets(&[name.len() as u8]).octets(name.as_bytes()).octets(&[2, 0, 0, 0, 0, number]);
        packet
            .octets(&[13, 0, 1, number])
            .octets(&[1, 3, 1, 0, 1, 1, 7, 8])
            .octets(&[0xab, 0xcd, number])
            .octets(&[0]);
    }
    packet.finish()
}

/// What the packet's flows are, and a file of them.
fn written(format: Format, gzip: bool) -> (Vec<Flow>, Vec<u8>) {
    written_of(&[packet()], format, gzip)
}

/// What the packets' flows are, and a file of them.
fn written_of(packets: &[Vec<u8>], format: Format, gzip: bool) -> (Vec<Flow>, Vec<u8>) {
    struct Both(FlowEncoder, Normalizer, Flows);
    impl MessageSink for Both {
        fn packet(&mut self, context: &Context<'_>) {
            self.0.packet(context);
        }
        fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
            self.0.data(context, set);
            self.1.normalize(context, set, &mut self.2);
        }
        fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
            self.0.options(context, set);
        }
        fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
            self.0.template(context, change);
        }
        fn problem(&mut self, context: &Context<'_>, problem: Problem) {
            assert!(matches!(problem, Problem::MissingTemplate { .. }), "{problem}");
            self.0.problem(context, problem);
        }
    }
    let encoder = FlowEncoder::new(format, gzip.then(GzipBlock::default), None).unwrap();
    let mut sink = Both(encoder, Normalizer::new(), Flows::new());
    let exporter = Exporter { address: "192.0.2.254".parse().unwrap(), port: 4739 };
    let received = Timestamp::from_nanos(i64::from(NOW) * 1_000_000_000 + 250_000_000);
    let mut session = Session::new();
    for packet in packets {
        session.decode(exporter, received, packet, &mut sink).unwrap();
        sink.0.end_packet();
    }
    let mut file = Vec::new();
    if format == Format::Csv {
        crate::write_csv_head(&mut file);
        if gzip {
            file = GzipBlock::default().compress(&file).unwrap();
        }
    }
    file.extend(sink.0.take_block().unwrap().unwrap());
    (sink.2.to_vec(), file)
}

#[test]
fn flow_lines_and_csv_come_back_as_they_were() {
    for (format, gzip) in
        [(Format::FlowLines, false), (Format::FlowLines, true), (Format::Csv, false), (Format::Csv, true)]
    {
        let (flows, file) = written(format, gzip);
        assert_eq!(flows.len(), 2);
        let (mut read, errors) = read(&file);
        assert_eq!(errors, Vec::<String>::new());
        let mut flows = flows;
        for flow in flows.iter_mut().chain(&mut read) {
            // Octets of unknown elements come back as the hex text that stands in the file.
            assert_eq!(
                flow.rare().extras.get("64999.3").map(|value| value.to_string()[..4].to_owned()),
                Some("abcd".into())
            );
            let texts: Vec<_> =
                flow.rare().extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(texts[..2], ["samplerId=7", "samplerId_2=8"]);
            flow.rare_mut().extras.clear();
        }
        assert_eq!(read, flows, "{format}");
    }
}

#[test]
fn export_packets_come_back_as_the_same_flows() {
    for gzip in [false, true] {
        let (mut flows, file) = written(Format::Packets, gzip);
        let (read, errors) = read(&file);
        assert_eq!(errors, Vec::<String>::new());
        flows.iter_mut().for_each(|flow| flow.template_id = None);
        assert_eq!(read[0].rare().app_name, "a, \"b\"");
        assert_eq!(read, flows);
    }
}

#[test]
fn lines_of_pypi_netflow_are_read() {
    let line = br#"{"1503652676.307753": {"client": ["192.0.2.9", 40000], "header": {"version": 5, "count": 1,
        "uptime": 60000, "timestamp": 1714564800, "timestamp_nano": 0, "sequence": 3, "engine_type": 0,
        "engine_id": 1, "sampling_interval": 0}, "flows": [{"IPV4_SRC_ADDR": 3221225985, "IPV4_DST_ADDR":
        3325256706, "NEXT_HOP": 0, "INPUT": 1, "OUTPUT": 2, "IN_PACKETS": 5, "IN_OCTETS": 500, "FIRST_SWITCHED":
        50000, "LAST_SWITCHED": 58000, "SRC_PORT": 443, "DST_PORT": 50001, "TCP_FLAGS": 27, "PROTO": 6, "TOS": 0,
        "SRC_AS": 0, "DST_AS": 0, "SRC_MASK": 0, "DST_MASK": 0, "COMMENT": "x"}]}}"#;
    let line: Vec<u8> = line.iter().copied().filter(|&octet| octet != b'\n').collect();
    let mut reader = FlowReader::new(line.as_slice()).unwrap();
    let mut flows = Vec::new();
    assert!(reader.read(&mut flows).unwrap());
    let flow = &flows[0];
    assert_eq!(flow.src_addr, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(flow.dst_addr, Some("198.51.100.2".parse().unwrap()));
    assert_eq!(
        (flow.bytes_raw, flow.packets_raw, flow.src_port, flow.observation_domain_id),
        (500, 5, 443, 1)
    );
    assert_eq!(flow.time_flow_start, Some(Timestamp::from_secs(1_714_564_790)));
    assert_eq!(flow.time_received, Timestamp::from_nanos(1_503_652_676_307_753_000));
    assert_eq!(reader.unknown_fields().into_iter().collect::<Vec<_>>(), ["COMMENT"]);
    assert!(!reader.read(&mut flows).unwrap());
}

#[test]
fn records_of_different_shape_in_one_line() {
    let line = br#"{"1.5": {"client": ["::ffff:192.0.2.9", 1], "header": {"version": 10, "export_time": 1}, "flows": [
        {"sourceIPv4Address": "192.0.2.1", "octetDeltaCount": 1}, {"sourceIPv4Address": "192.0.2.2",
        "octetDeltaCount": 2}, {"sourceIPv6Address": "2001:db8::1", "httpRequestHost": "h"}, {"sourceIPv4Address":
        "192.0.2.3", "octetDeltaCount": 18446744073709551615}, {}]}}"#;
    let line: Vec<u8> = line.iter().copied().filter(|&octet| octet != b'\n').collect();
    let (flows, errors) = read(&line);
    assert_eq!(errors, Vec::<String>::new());
    let bytes: Vec<_> = flows.iter().map(|flow| flow.bytes_raw).collect();
    assert_eq!(bytes, [1, 2, 0, u64::MAX]);
    assert_eq!(flows[2].rare().extras.get("httpRequestHost"), Some(Value::String("h".into())));
    assert_eq!(flows[0].exporter_addr, "192.0.2.9".parse::<std::net::IpAddr>().unwrap());
}

/// A line of an IPFIX packet with these members behind its header.
fn ipfix_line(members: &str) -> String {
    format!(
        r#"{{"1.5":{{"client":["192.0.2.9",1],"header":{{"version":10,"export_time":1714564800}},{members}}}}}"#
    ) + "\n"
}

/// The flows of such a line, and the fields that were left out.
fn ipfix_flows(members: &str) -> (Vec<Flow>, Vec<String>) {
    let line = ipfix_line(&members.replace('\n', " "));
    let mut reader = FlowReader::new(line.as_bytes()).unwrap();
    let mut flows = Vec::new();
    assert!(reader.read(&mut flows).unwrap());
    (flows, reader.unknown_fields().into_iter().collect())
}

#[test]
fn every_value_is_encoded_by_itself() {
    // A value that does not fit its type stands in the file as hex.
    let (flows, unknown) = ipfix_flows(
        r#""flows":[
        {"sourceIPv4Address":"192.0.2.1","flowStartMilliseconds":"2024-05-01T12:00:00.250Z","sourceMacAddress":"02:00:00:00:00:01","dataRecordsReliability":true},
        {"sourceIPv4Address":"c00002","flowStartMilliseconds":"010203040506070809","sourceMacAddress":"0102","dataRecordsReliability":"00"},
        {"sourceIPv4Address":"192.0.2.3","flowStartMilliseconds":"2024-05-01T12:00:01.000Z","sourceMacAddress":"02:00:00:00:00:03","dataRecordsReliability":false},
        {"sourceIPv4Address":"router","flowStartMilliseconds":"yesterday","sourceMacAddress":7,"dataRecordsReliability":"perhaps"}]"#,
    );
    let texts = |flow: &Flow| {
        let extras = flow.rare().extras.iter().map(|(name, value)| format!("{name}={value}"));
        extras.collect::<Vec<_>>().join(" ")
    };
    let of = |flow: &Flow| (flow.src_addr.map(|address| address.to_string()), flow.rare().src_mac.is_some());
    assert_eq!(of(&flows[0]), (Some("192.0.2.1".into()), true));
    assert_eq!(texts(&flows[0]), "dataRecordsReliability=true");
    assert_eq!(of(&flows[1]), (None, false));
    assert_eq!(
        texts(&flows[1]),
        "sourceIPv4Address=c00002 flowStartMilliseconds=010203040506070809 sourceMacAddress=0102 dataRecordsReliability=00"
    );
    assert_eq!(of(&flows[2]), (Some("192.0.2.3".into()), true));
    assert_eq!(flows[2].time_flow_start, Some(Timestamp::from_secs(1_714_564_801)));
    assert_eq!(texts(&flows[2]), "dataRecordsReliability=false");
    // What nothing can be made of is kept as it stands.
    assert_eq!(of(&flows[3]), (None, true));
    assert_eq!(
        texts(&flows[3]),
        "sourceIPv4Address=router flowStartMilliseconds=yesterday dataRecordsReliability=perhaps"
    );
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn numbers_that_are_none_of_their_element_are_kept() {
    let (flows, _) = ipfix_flows(
        r#""flows":[{"octetDeltaCount":-5,"packetDeltaCount":1.5,"sourceIPv4Address":4294967296,"protocolIdentifier":6}]"#,
    );
    assert_eq!((flows[0].bytes_raw, flows[0].packets_raw, flows[0].proto), (0, 0, 6));
    let texts: Vec<_> =
        flows[0].rare().extras.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(texts, ["octetDeltaCount=-5", "packetDeltaCount=1.5", "sourceIPv4Address=4294967296"]);
    // Without a record there is no flow to keep it in.
    let (flows, left_out) = ipfix_flows(r#""flows":[{"octetDeltaCount":-5}]"#);
    assert_eq!((flows.len(), left_out), (0, vec!["octetDeltaCount".to_owned()]));
}

#[test]
fn names_with_nul_are_names_of_their_own() {
    let (flows, unknown) = ipfix_flows(
        r#""flows":[{"protocolIdentifier":6,"sourceTransportPort":80},{"protocolIdentifier\u0000nsourceTransportPort":5}]"#,
    );
    assert_eq!(flows.len(), 1);
    assert_eq!(unknown, ["protocolIdentifier\0nsourceTransportPort"]);
}

#[test]
fn lists_are_kept_as_their_text() {
    let list = r#"{"semantic":"allOf","values":[{"sourceTransportPort":1,"protocolIdentifier":2},"x"]}"#;
    let (flows, unknown) = ipfix_flows(&format!(
        r#""flows":[{{"basicList":{list},"subTemplateList":"0a","subTemplateMultiList":null,"protocolIdentifier":6}}]"#
    ));
    assert_eq!((flows[0].proto, flows[0].src_port), (6, 0));
    let extras = &flows[0].rare().extras;
    assert_eq!(extras.get("basicList"), Some(Value::String(list.into())));
    assert_eq!(extras.get("subTemplateList"), Some(Value::String("\"0a\"".into())));
    assert_eq!(extras.get("subTemplateMultiList"), Some(Value::String("null".into())));
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn only_options_records_have_scopes_and_fields() {
    let (flows, unknown) = ipfix_flows(
        r#""flows":[{"scopes":{"protocolIdentifier":6},"sourceTransportPort":1}],
        "options":[{"scopes":{"samplerId":1},"fields":{"samplerRandomInterval":10}}]"#,
    );
    assert_eq!((flows[0].proto, flows[0].src_port, flows[0].sampling_rate), (0, 1, 10));
    assert_eq!(unknown, ["scopes"]);
}

/// A packet in which the exporter describes elements 7 and 8 of an enterprise (RFC 5610), and a record with them.
fn described() -> Vec<u8> {
    const PEN: u32 = 64_999;
    let header = ipfix::Header { export_time: NOW, ..Default::default() };
    let mut packet = MessageEncoder::new(Header::Ipfix(header));
    let definition = |template_id, scope_count, fields: &[FieldSpecifier]| {
        let (options, fields) = (scope_count > 0, fields.to_vec());
        TemplateDefinition { template_id, scope_count, options, fields, offset: 0 }
    };
    let description = [
        (ie::PRIVATE_ENTERPRISE_NUMBER, 4),
        (ie::INFORMATION_ELEMENT_ID, 2),
        (ie::INFORMATION_ELEMENT_DATA_TYPE, 1),
        (ie::INFORMATION_ELEMENT_NAME, 10),
    ];
    let description = description.map(|(id, length)| FieldSpecifier::iana(id, length));
    packet.template(&definition(300, 2, &description)).begin_set(300);
    for (id, data_type, name) in [(7u16, 3u8, b"rackNumber"), (8, 18, b"rackSwitch")] {
        packet.octets(&PEN.to_be_bytes()).octets(&id.to_be_bytes()).octets(&[data_type]).octets(name);
    }
    let fields = [
        FieldSpecifier::iana(ie::OCTET_DELTA_COUNT, 4),
        FieldSpecifier::of(PEN, 7, 4),
        FieldSpecifier::of(PEN, 8, 4),
    ];
    packet.template(&definition(256, 0, &fields)).begin_set(256);
    packet.octets(&[0, 0, 0, 40]).octets(&[0, 0, 0, 12]).octets(&[192, 0, 2, 7]);
    packet.finish()
}

#[test]
fn elements_that_an_exporter_described_are_read_back_from_export_packets() {
    let (mut flows, file) = written_of(&[described()], Format::Packets, false);
    let mut reader = FlowReader::new(&file[..]).unwrap();
    let mut read = Vec::new();
    assert!(reader.read(&mut read).unwrap());
    flows.iter_mut().for_each(|flow| flow.template_id = None);
    let extras = &read[0].rare().extras;
    assert_eq!(extras.get("rackNumber"), Some(Value::Unsigned(12)));
    assert_eq!(extras.get("rackSwitch"), Some(Value::Address([192, 0, 2, 7].into())));
    assert_eq!(read, flows);
    assert_eq!((reader.unknown_fields().len(), reader.options_problems()), (0, None));
}

/// A line of an exporter that describes element 7 of an enterprise, and has a record with it.
fn describing(exporter: u8, data_type: u8, value: &str) -> String {
    let options = format!(
        r#"[{{"scopes":{{"privateEnterpriseNumber":64999,"informationElementId":7}},
        "fields":{{"informationElementDataType":{data_type},"informationElementName":"rack"}}}}]"#
    );
    let line = ipfix_line(&format!(r#""flows":[{{"rack":{value}}}],"options":{options}"#).replace('\n', ""));
    line.replace("192.0.2.9", &format!("192.0.2.{exporter}"))
}

#[test]
fn what_one_exporter_describes_holds_for_no_other() {
    let nobody = ipfix_line(r#""flows":[{"rack":5}]"#).replace("192.0.2.9", "192.0.2.3");
    let file = [describing(1, 3, "5"), describing(2, 13, "\"left\""), describing(1, 3, "6"), nobody].concat();
    let mut reader = FlowReader::new(file.as_bytes()).unwrap();
    let (mut flows, mut racks) = (Vec::new(), Vec::new());
    while reader.read(&mut flows).unwrap() {
        racks.extend(flows.iter().map(|flow| flow.rare().extras.get("rack").map(|rack| rack.to_string())));
    }
    assert_eq!(racks, [Some("5".into()), Some("left".into()), Some("6".into())]);
    assert_eq!(reader.unknown_fields().into_iter().collect::<Vec<_>>(), ["rack"]);
}

#[test]
fn what_is_wrong_with_options_data_of_a_file_is_counted() {
    let file = [describing(1, 3, "5"), describing(1, 1, "5"), describing(1, 3, "5")].concat();
    let mut reader = FlowReader::new(file.as_bytes()).unwrap();
    let mut flows = Vec::new();
    while reader.read(&mut flows).unwrap() {}
    let OptionsProblems { count, first, line } = reader.options_problems().unwrap();
    assert_eq!((count, line), (2, 2), "described otherwise, twice");
    assert!(matches!(first, Problem::ElementDescription { enterprise: 64_999, id: 7, .. }), "{first}");
}

#[test]
fn records_that_had_to_wait_are_marked_and_numbered_on() {
    let flow = r#""flows":[{"protocolIdentifier":6}]"#;
    let late = ipfix_line(&format!(r#""late":true,{flow}"#));
    let file = [late.clone(), late, ipfix_line(flow)].concat();
    let (flows, errors) = read(file.as_bytes());
    assert_eq!(errors, Vec::<String>::new());
    let marks: Vec<_> = flows.iter().map(|flow| (flow.quality, flow.record_index)).collect();
    let late = crate::Quality::LATE_TEMPLATE.0;
    assert_eq!(marks, [(late, 0), (late, 1), (0, 0)]);
}

#[test]
fn what_had_to_wait_for_its_template_comes_back_as_it_was() {
    let message = |sequence_number| {
        let header = ipfix::Header { export_time: NOW, sequence_number, ..Default::default() };
        MessageEncoder::new(Header::Ipfix(header))
    };
    let template = |template_id, id| TemplateDefinition {
        template_id,
        scope_count: 0,
        options: false,
        fields: vec![FieldSpecifier::iana(id, 4)],
        offset: 0,
    };
    let (mut data, mut first, mut second) = (message(0), message(3), message(3));
    data.begin_set(256).octets(&[0, 0, 0, 1, 0, 0, 0, 2]);
    data.begin_set(257).octets(&[0, 0, 0, 3]);
    first.template(&template(256, ie::FLOW_END_SYS_UP_TIME));
    second.template(&template(257, ie::FLOW_END_SYS_UP_TIME)).begin_set(257).octets(&[0, 0, 0, 4]);
    second.begin_set(257).octets(&[0, 0, 0, 9]);
    let packets = [data.finish(), first.finish(), second.finish()];
    let (mut flows, file) = written_of(&packets, Format::Packets, false);
    flows.iter_mut().for_each(|flow| flow.template_id = None);
    let marks: Vec<_> = flows.iter().map(|flow| (flow.quality, flow.record_index)).collect();
    let late = crate::Quality::LATE_TEMPLATE.0;
    assert_eq!(marks, [(late, 0), (late, 1), (late, 2), (0, 0), (0, 1)]);
    assert_eq!(read(&file), (flows, vec![]));
}

#[test]
fn times_are_estimated_within_a_set() {
    let flow = |uptime| format!(r#"{{"flowEndSysUpTime":{uptime}}}"#);
    let ends = |sets: &str| {
        let (flows, _) = ipfix_flows(&format!(r#"{sets}"flows":[{},{}]"#, flow(1_000), flow(3_000)));
        flows.iter().map(|flow| flow.time_flow_end.unwrap().as_nanos() / 1_000_000_000).collect::<Vec<_>>()
    };
    let now = i64::from(NOW);
    assert_eq!(ends(""), [now - 2, now]);
    assert_eq!(ends(r#""sets":[1,1],"#), [now, now]);
    assert_eq!(ends(r#""sets":[0,4294967295,1],"#), [now - 2, now]);
}

#[test]
fn more_records_than_a_packet_has_octets_are_no_packet() {
    let line = |records: usize| ipfix_line(&format!(r#""flows":[{{}}{}]"#, ",{}".repeat(records - 1)));
    assert_eq!(read(line(65_535).as_bytes()).1, Vec::<String>::new());
    assert!(read(line(65_536).as_bytes()).1[0].contains("at most 65535 records"));
    let fields =
        |fields: usize| ipfix_line(&format!(r#""flows":[{{"x":1{}}}]"#, r#","x":1"#.repeat(fields - 1)));
    assert_eq!(read(fields(16_384).as_bytes()).1, Vec::<String>::new());
    assert!(read(fields(16_385).as_bytes()).1[0].contains("at most 16384 fields"));
}

#[test]
fn what_is_wrong_is_told_in_few_words_that_a_terminal_can_take() {
    let long = "\u{1b}[2J".replace('\u{1b}', "\\u001b") + &"x".repeat(1 << 20);
    let good = ipfix_line(r#""flows":[]"#);
    for line in [
        format!("{{\"{long}\":1}}\n"),
        good.replace(r#"["192.0.2.9",1]"#, &format!("{long:?}").replace("\\\\", "\\")),
        good.replace(r#""1.5""#, &format!("\"1.5{long}\"")),
    ] {
        let (_, errors) = read((good.clone() + &line).as_bytes());
        assert_eq!(errors.len(), 1, "{}", &line[..100]);
        assert!(errors[0].len() < 500 && !errors[0].contains('\u{1b}'), "{}", errors[0]);
    }
    let (_, errors) = read(format!("{{\"src_addr\":\"{long}\"}}\n").as_bytes());
    assert!(errors[0].len() < 500 && !errors[0].contains('\u{1b}'), "{}", errors[0]);
}

#[test]
fn an_ipv6_client_of_python_is_read() {
    let line = ipfix_line(r#""flows":[{"protocolIdentifier":6}]"#)
        .replace(r#"["192.0.2.9",1]"#, r#"["fe80::1%eth0",9,0,2]"#);
    let (flows, errors) = read(line.as_bytes());
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!((flows[0].exporter_addr, flows[0].exporter_port), ("fe80::1".parse().unwrap(), 9));
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let (_, good) = written(Format::Packets, false);
    for long in [MAX_LINE as usize, MAX_LINE as usize + 300_000] {
        let file = [&good[..], &vec![b'x'; long], b"\n", &good[..]].concat();
        let (flows, errors) = read(&file);
        assert_eq!(errors, ["line 2: is longer than 64 MiB"]);
        assert_eq!(flows.len(), 4);
    }
    let (flows, errors) = read(&[&good[..], &vec![b'x'; MAX_LINE as usize + 1]].concat());
    assert_eq!((flows.len(), errors.len()), (2, 1), "{errors:?}");
}

#[test]
fn a_quote_that_is_not_closed_takes_no_other_line_with_it() {
    let rows = |rows: &[&str]| ["src_port,app_name\n", &rows.concat()].concat();
    let ports = |file: &str| {
        let (flows, errors) = read(file.as_bytes());
        (flows.iter().map(|flow| flow.src_port).collect::<Vec<_>>(), errors)
    };
    let good = "7,\"a\nb\"\n8,c\n";
    assert_eq!(ports(&rows(&[good])), (vec![7, 8], vec![]));
    // To the end of the file, and to the bound.
    let many = format!("9,{}\n", "d".repeat(1_000)).repeat(MAX_ROW / 500);
    for (behind, count) in [(good, 2), (&many, MAX_ROW / 500)] {
        let (ports, errors) = ports(&rows(&["1,a\n", "2,\"b\n", behind]));
        assert_eq!(errors, ["line 3: a quote is not closed"]);
        assert_eq!(ports.len(), count + 1);
    }
    // Quotes that each line opens anew.
    let (found, errors) = ports(&rows(&[&"1\",\"2\n".repeat(100_000), "3,a\n"]));
    assert_eq!((found, errors.len()), (vec![3], 100_000));
    // A quote in the middle of a cell is text.
    assert_eq!(ports(&rows(&["1,a\"b\n", "2,c\n"])), (vec![1, 2], vec![]));
    assert_eq!(ports(&rows(&["1,\"a\"b\n", "2,c\n"])).0, [2]);
    // The last line is cut off within a cell.
    let (found, errors) = ports(&rows(&["1,a\n", "2,\"b"]));
    assert_eq!(found, [1]);
    assert!(errors[0].contains("cut off after line 2"), "{errors:?}");
    let (ports, errors) = ports(&rows(&["1,a\n", "2,b\n", "3,\"c\nd"]));
    assert_eq!(ports, [1, 2]);
    assert_eq!(errors[0], "line 4: a quote is not closed");
    assert!(errors[1].contains("cut off after line 4"), "{errors:?}");
}

#[test]
fn lines_before_damage_are_read_although_a_quote_was_open() {
    let text = GzipBlock::default().compress(b"src_port,app_name\n1,\"a\n2,b\n").unwrap();
    let (flows, errors) = read(&[&text[..], b"\x1f\x8b\x08"].concat());
    assert_eq!(flows.len(), 1);
    assert_eq!(errors[0], "line 2: a quote is not closed");
    assert!(errors[1].contains("cut off"), "{errors:?}");
}

#[test]
fn a_bad_first_line_does_not_decide_what_the_file_is() {
    let (_, packets) = written(Format::Packets, false);
    let (_, flows) = written(Format::FlowLines, false);
    for good in [packets, flows] {
        for bad in ["{\n", "{}\n", "{\"client\":\n", "{\"a\":1}\nnothing\n"] {
            let (flows, errors) = read(&[bad.as_bytes(), &good].concat());
            assert_eq!(flows.len(), 2, "{bad} {errors:?}");
            assert_eq!(errors.len(), bad.lines().count(), "{errors:?}");
        }
    }
}

#[test]
fn the_rest_of_a_line_behind_damage_does_not_decide_what_the_file_is() {
    let mut damaged = GzipBlock::default().compress("{\"src_port\":80}\n".repeat(50).as_bytes()).unwrap();
    // Its header is whole, its data are not.
    damaged[10] = 0xff;
    for format in [Format::Packets, Format::FlowLines] {
        let (_, good) = written(format, false);
        let rest = GzipBlock::default().compress(&[b":6,\"dst_port\":80}\n", &good[..]].concat()).unwrap();
        let (flows, errors) = read(&[&damaged[..], &rest].concat());
        assert_eq!(flows.len(), 2, "{errors:?}");
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].contains("is lost; behind them it goes on"), "{errors:?}");
        assert_eq!(errors[1], "line 1: is no flow, and what was before it is lost");
    }
}

#[test]
fn a_bad_line_is_told_and_the_others_are_read() {
    let (_, good) = written(Format::Packets, false);
    let file = [&good[..], b"not json\n", b"\n", &good[..], b"{\"1\": 5}\n", &good[..]].concat();
    let (flows, errors) = read(&file);
    assert_eq!(flows.len(), 6);
    assert!(errors[0].starts_with("line 2: "), "{errors:?}");
    assert!(errors[1].starts_with("line 5: "), "{errors:?}");
    assert_eq!(errors.len(), 2);
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_whole() {
    let (_, member) = written(Format::Packets, true);
    let file = [&member[..], &member[..], &member[..member.len() - 9]].concat();
    for cut in 2 * member.len() + 1..file.len() {
        let (flows, errors) = read(&file[..cut]);
        assert!((4..=6).contains(&flows.len()), "{cut}: {}", flows.len());
        assert_eq!(errors.len(), 1, "{cut}: {errors:?}");
    }
}

#[test]
fn a_last_line_without_its_end_is_cut_off() {
    let (_, good) = written(Format::FlowLines, false);
    let (flows, errors) = read(&good[..good.len() - 20]);
    assert_eq!(flows.len(), 1);
    assert_eq!(errors, ["the file is cut off after line 1; everything before was read"]);
    // A whole one does not need it.
    assert_eq!(read(good.trim_ascii_end()).0.len(), 2);
}

#[test]
fn what_is_no_flow_file_is_named() {
    assert_eq!(read(b"").1, ["the file is empty"]);
    assert!(read(b"\x89PNG\r\n").1[0].contains("neither gzip nor JSON lines nor CSV"));
    assert!(read(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]).1[0].contains("damaged"));
    assert!(read(&[0x1f, 0x8b, 8]).1[0].contains("cut off after line 0"));
    assert!(read(b"a,b\n1,2\n").1[0].contains("neither gzip"));
}

#[test]
fn an_object_without_a_column_is_no_flow() {
    let (flows, errors) = read(b"{\"src_port\":80}\n{}\n{\"a\":1}\n{\"src_port\":81}\n");
    assert_eq!(flows.len(), 2);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[1].starts_with("line 3: is no flow"), "{errors:?}");
}

#[test]
fn columns_of_a_later_schema_are_kept_as_extras() {
    let (flows, errors) = read(b"{\"src_port\":80,\"new_column\":\"x\"}\n");
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(flows[0].rare().extras.get("new_column"), Some(Value::String("x".into())));
    assert_eq!(flows[0].src_port, 80);
}

#[test]
fn extras_are_added_to_columns_that_are_not_known() {
    let (flows, errors) = read(b"{\"new_column\":1,\"extras\":{\"a\":2},\"newer\":3}\n");
    assert_eq!(errors, Vec::<String>::new());
    let names: Vec<_> = flows[0].rare().extras.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["new_column", "a", "newer"]);
}

#[test]
fn an_absent_extra_stays_absent() {
    let line = b"{\"extras\":{\"flowEndMilliseconds\":null}}\n";
    assert_eq!(read(line).0[0].rare().extras.get("flowEndMilliseconds"), Some(Value::Absent));
}

#[test]
fn a_name_that_looks_like_two_members_is_one() {
    let (flows, _) = read(
        b"{\"1\":{\"client\":[\"192.0.2.1\",1],\"header\":{\"version\":9},\"flows\":[\
          {\"PROTO\\u0000nL4_SRC_PORT\":1},{\"PROTO\":6,\"L4_SRC_PORT\":80}]}}\n",
    );
    assert_eq!(flows.iter().map(|flow| (flow.proto, flow.src_port)).collect::<Vec<_>>(), [(6, 80)]);
}

#[test]
fn shapes_of_records_are_kept_within_a_bound() {
    let lines = 300;
    let file: String = (0..lines)
        .map(|line| {
            let members: Vec<_> = (0..2_000).map(|at| format!("\"9.{}\":1", line + at)).collect();
            let members = members.join(",");
            let header = "\"client\":[\"192.0.2.1\",1],\"header\":{\"version\":9}";
            format!("{{\"1\":{{{header},\"flows\":[],\"options\":[{{{members}}}]}}}}\n")
        })
        .collect();
    let mut reader = FlowReader::new(file.as_bytes()).unwrap();
    let mut flows = Vec::new();
    while reader.read(&mut flows).unwrap() {}
    let kept = reader.taken.packets.kept_shapes();
    assert_eq!(reader.line(), lines);
    assert!(0 < kept && kept < lines as usize, "{kept} of {lines}");
}

#[test]
fn cells_that_do_not_fit_are_told() {
    assert!(read(b"{\"src_port\":70000}\n").1[0].contains("column src_port cannot hold"));
    assert!(read(b"src_port,proto\n80\n").1[0].contains("has 1 cells, the heading has 2"));
    assert!(read(b"src_addr\nnowhere\n").1[0].contains("column src_addr cannot hold"));
}

#[test]
fn ipv6_addresses_of_the_python_collector_are_numbers() {
    let (flows, errors) = read(
        b"{\"1.5\":{\"client\":[\"192.0.2.1\",1],\"header\":{\"version\":10},\"flows\":[\
          {\"sourceIPv6Address\":42540766411282592856903984951653826561,\
          \"destinationIPv6Address\":1,\"protocolIdentifier\":6}]}}\n",
    );
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(flows[0].src_addr, Some("2001:db8::1".parse().unwrap()));
    assert_eq!((flows[0].dst_addr, flows[0].proto), (Some("::1".parse().unwrap()), 6));
}

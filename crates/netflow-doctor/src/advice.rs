//! What to change.

use std::borrow::Cow;

use netflow_flow::SamplingSource;
use serde::Serialize;

use crate::fields::{self, AS_NUMBERS, INPUT, OUTPUT};
use crate::finding::{Finding, Kind, Observer};

/// How to change it on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The platform, such as `Cisco IOS`.
    pub platform: &'static str,
    /// Lines of its configuration, or a command. What is in capitals is to be replaced.
    pub lines: Cow<'static, [&'static str]>,
}

impl Command {
    pub(crate) const fn new(platform: &'static str, lines: &'static [&'static str]) -> Self {
        Self { platform, lines: Cow::Borrowed(lines) }
    }
}

/// What to change because of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What to change, on any exporter or on the collector.
    pub change: Cow<'static, str>,
    /// How, on platforms where it is well known.
    pub commands: Cow<'static, [Command]>,
}

const IOS: &str = "Cisco IOS (Flexible NetFlow)";
const CLASSIC_IOS: &str = "Cisco IOS (classic)";
const JUNOS: &str = "Junos";

const IOS_REFRESH: Command = Command::new(IOS, &["flow exporter NAME", " template data timeout 60"]);
const SOFTFLOWD_REFRESH: Command = Command::new("softflowd", &["softflowctl send-template"]);

const REFRESH_V9: &[Command] = &[
    IOS_REFRESH,
    Command::new(CLASSIC_IOS, &["ip flow-export template timeout-rate 1"]),
    Command::new(
        JUNOS,
        &["set services flow-monitoring version9 template NAME template-refresh-rate seconds 60"],
    ),
    SOFTFLOWD_REFRESH,
];

const REFRESH_IPFIX: &[Command] = &[
    IOS_REFRESH,
    Command::new(
        JUNOS,
        &["set services flow-monitoring version-ipfix template NAME template-refresh-rate seconds 60"],
    ),
    SOFTFLOWD_REFRESH,
];

const IOS_ACTIVE: Command = Command::new(IOS, &["flow monitor NAME", " cache timeout active 60"]);
const CLASSIC_ACTIVE: Command = Command::new(CLASSIC_IOS, &["ip flow-cache timeout active 1"]);
const SOFTFLOWD_ACTIVE: Command = Command::new("softflowd", &["softflowd -t maxlife=60"]);

const ACTIVE_TIMEOUT_FIXED: &[Command] =
    &[IOS_ACTIVE, CLASSIC_ACTIVE, SOFTFLOWD_ACTIVE, Command::new("fprobe", &["fprobe -e 60"])];

const ACTIVE_TIMEOUT_V9: &[Command] = &[
    IOS_ACTIVE,
    CLASSIC_ACTIVE,
    Command::new(JUNOS, &["set services flow-monitoring version9 template NAME flow-active-timeout 60"]),
    SOFTFLOWD_ACTIVE,
];

const ACTIVE_TIMEOUT_IPFIX: &[Command] = &[
    IOS_ACTIVE,
    Command::new(JUNOS, &["set services flow-monitoring version-ipfix template NAME flow-active-timeout 60"]),
    SOFTFLOWD_ACTIVE,
];

const INACTIVE_TIMEOUT: &[Command] = &[
    Command::new(IOS, &["flow monitor NAME", " cache timeout inactive 15"]),
    Command::new(CLASSIC_IOS, &["ip flow-cache timeout inactive 15"]),
];

const CLOCK: &[Command] = &[
    Command::new("Cisco IOS", &["ntp server ADDRESS"]),
    Command::new(JUNOS, &["set system ntp server ADDRESS"]),
];

const SAMPLER_TABLE: &[Command] = &[Command::new(IOS, &["flow exporter NAME", " option sampler-table"])];

const SAMPLING: &[Command] = &[
    Command::new(IOS, &["sampler NAME", " mode random 1 out-of N"]),
    Command::new(JUNOS, &["set forwarding-options sampling instance NAME input rate N"]),
];

const FIXED_AS_NUMBERS: &[Command] = &[Command::new(CLASSIC_IOS, &["ip flow-export version 5 origin-as"])];

const RECEIVE_BUFFER: &[Command] =
    &[Command::new("Linux, at the collector", &["sysctl -w net.core.rmem_max=67108864"])];

const ABSOLUTE_TIMES: &[Command] = &[Command::new("softflowd", &["softflowd -v 9 -A milli"])];

const TIMES: &[Command] = &[Command::new(
    IOS,
    &["flow record NAME", " collect timestamp sys-uptime first", " collect timestamp sys-uptime last"],
)];

const ONE_DIRECTION: &[Command] = &[Command::new(
    IOS,
    &["interface NAME", " no ip flow monitor MONITOR output", " ip flow monitor MONITOR input"],
)];

impl Finding {
    /// What to change because of it.
    pub fn advice(&self) -> Advice {
        let advice = |change: &'static str, commands: &'static [Command]| Advice {
            change: Cow::Borrowed(change),
            commands: Cow::Borrowed(commands),
        };
        match &self.kind {
            Kind::MissingTemplate { .. } | Kind::LateTemplate { .. } | Kind::TemplateNotRefreshed { .. } => {
                advice("Send templates again every minute, or every 20 packets.", self.refresh())
            }
            Kind::TemplateEveryPacket { .. } => advice(
                "Send templates every minute rather than with each packet; it saves room.",
                self.refresh(),
            ),
            Kind::TemplateChanged { .. } => advice(
                "If the configuration was not changed meanwhile, two exporting processes share an observation \
                 domain: give each a source ID of its own.",
                &[],
            ),
            Kind::Loss { .. } => advice(
                "Look for drops between the exporter and here (interface counters, policers, firewalls) and at the \
                 collector, whose receive buffer may be too small; then export less at once: sample, or spread \
                 the load over several exporters or collectors.",
                RECEIVE_BUFFER,
            ),
            Kind::SharedAddress { .. } => advice(
                "Have export packets arrive with the exporters' own addresses (no NAT, load balancer or container \
                 bridge between), or give each exporter an observation domain (source ID) of its own.",
                &[],
            ),
            Kind::DroppedHere { .. } => {
                advice("Give the collector a larger receive buffer, or less to do.", RECEIVE_BUFFER)
            }
            Kind::OwnConvention { .. } => advice(
                "Nothing has to be changed here; a collector that expects the RFC's way will report loss that did \
                 not happen.",
                &[],
            ),
            Kind::UnknownConvention => {
                advice("Update the exporter's software, or count its packets in another way.", &[])
            }
            Kind::Reordered { .. } => advice(
                "Nothing, if it is rare; otherwise have export packets take one path (balance by flow, not by \
                 packet).",
                &[],
            ),
            Kind::Duplicates { .. } => advice(
                "Export to each collector once, and capture on one interface: with `-i any` a packet may be \
                 captured twice.",
                &[],
            ),
            Kind::Restarted { .. } => advice(
                "Find out why it started again (log, power, memory); what it had in its cache is lost each time.",
                &[],
            ),
            Kind::UptimeWrapped { .. } => advice(
                "Nothing here: times are right. Other collectors may take it for a restart, and date the flows around \
                 it by 49.7 days wrongly.",
                &[],
            ),
            Kind::SamplingContradiction { second, .. } if second.source == SamplingSource::Header => advice(
                "Set one sampling rate for everything that the exporter exports; until then believe one of them \
                 (`--sampling N`).",
                SAMPLING,
            ),
            Kind::SamplingContradiction { .. } => advice(
                "Find out which one is configured, update the exporter's software, and believe that one until then \
                 (`--sampling N`).",
                SAMPLING,
            ),
            Kind::SamplerUnclear { .. } => advice(
                "Have records name their sampler (samplerId or selectorId), or use one rate for all interfaces.",
                SAMPLING,
            ),
            Kind::SamplingZero { .. } | Kind::UnknownSampler { .. } => advice(
                "Have the exporter send its sampling rate in options data; until then say it (`--sampling N`).",
                SAMPLER_TABLE,
            ),
            Kind::SamplingChanges { .. } => advice(
                "If the configuration was not changed meanwhile, two exporting processes share an observation \
                 domain: give each one of its own.",
                &[],
            ),
            Kind::SamplingOtherDomain { .. } => advice(
                "Nothing has to be changed here; a collector that looks in the same domain only will not find the \
                 rate.",
                SAMPLER_TABLE,
            ),
            Kind::ClockSkew { .. } | Kind::ClockSet { .. } => {
                advice("Synchronise the clocks of exporter and collector, and keep both in UTC.", CLOCK)
            }
            Kind::UptimeStandsStill { .. } | Kind::BootTimeDrifts { .. } => advice(
                "Export absolute times of flows (version 9 or IPFIX with flowStartMilliseconds), or update the \
                 exporter's software.",
                ABSOLUTE_TIMES,
            ),
            Kind::FlowsEndAfterExport { .. }
            | Kind::FlowsEndBeforeStart { .. }
            | Kind::FlowsStartLongBefore { .. } => advice(
                "Export absolute times of flows (flowStartMilliseconds) rather than uptimes, synchronise the clock, \
                 and update the exporter's software.",
                CLOCK,
            ),
            Kind::FlowsExportedLate { .. } => {
                advice("Set the inactive timeout to 15 seconds.", INACTIVE_TIMEOUT)
            }
            Kind::LongFlows { .. } => {
                let commands = match self.version {
                    Some(9) => ACTIVE_TIMEOUT_V9,
                    Some(10) => ACTIVE_TIMEOUT_IPFIX,
                    _ => ACTIVE_TIMEOUT_FIXED,
                };
                advice("Set the active timeout to 60 seconds.", commands)
            }
            Kind::TimesMissing { .. } => advice("Add the start and end of flows to what is exported.", TIMES),
            Kind::NeverFilled { fields, .. } => {
                let change =
                    "Have the exporter fill them if they are wanted; a host that does not route cannot.";
                let is_fixed = self.version.is_some_and(|version| version < 9);
                match is_fixed {
                    true if fields.contains(&AS_NUMBERS) => advice(change, FIXED_AS_NUMBERS),
                    true => advice(change, &[]),
                    false => Advice { change: Cow::Borrowed(change), commands: record_fields(fields).into() },
                }
            }
            Kind::LackingFields { fields, .. } => Advice {
                change: Cow::Borrowed("Add them to the records if they are wanted."),
                commands: record_fields(fields).into(),
            },
            Kind::Malformed { .. } => advice(
                "Update the exporter's software; `nf decode -f` shows where the octets are wrong.",
                &[],
            ),
            Kind::NotExportPackets { .. } => {
                advice("Send NetFlow or IPFIX to this port, and everything else to another.", &[])
            }
            Kind::Quirk { quirk, .. } => advice(quirk.change, quirk.commands),
            Kind::DoubleCounted { observer: Observer::Interfaces, .. } => advice(
                "Export flows where they come in only (ingress), on every interface; or count one direction.",
                ONE_DIRECTION,
            ),
            Kind::DoubleCounted { observer: Observer::Exporters { .. }, .. } => {
                advice("Export at the edge of the network only, or count one exporter at a time.", &[])
            }
        }
    }

    fn refresh(&self) -> &'static [Command] {
        if self.version == Some(10) { REFRESH_IPFIX } else { REFRESH_V9 }
    }
}

/// How fields come into the records of v9 and IPFIX.
fn record_fields(names: &[&str]) -> Vec<Command> {
    let mut lines = vec!["flow record NAME"];
    lines.extend(fields::ios_lines(names));
    let mut commands = vec![Command { platform: IOS, lines: lines.into() }];
    if names.iter().any(|name| [INPUT, OUTPUT].contains(name)) {
        commands.push(Command::new("softflowd", &["softflowd -i IFINDEX:INTERFACE"]));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn platforms(version: u16, kind: Kind) -> Vec<&'static str> {
        let (severity, exporter, domain) = (Severity::Warning, None, Some(1));
        let finding = Finding { severity, exporter, domain, version: Some(version), kind };
        finding.advice().commands.iter().map(|command| command.platform).collect()
    }

    #[test]
    fn commands_suit_the_version() {
        let long = |version| platforms(version, Kind::LongFlows { flows: 3, of: 3, longest: 400.0 });
        assert!(long(5).contains(&"fprobe") && !long(5).contains(&JUNOS));
        assert!(long(9).contains(&JUNOS) && !long(9).contains(&"fprobe"));
        let empty =
            |version| platforms(version, Kind::NeverFilled { fields: vec![AS_NUMBERS, INPUT], records: 50 });
        assert_eq!(empty(5), [CLASSIC_IOS]);
        assert_eq!(empty(9), [IOS, "softflowd"]);
    }

    #[test]
    fn commands_name_the_fields_that_are_lacking_and_no_others() {
        let lines = record_fields(&["direction", "TCP flags"]).remove(0).lines;
        assert_eq!(*lines, ["flow record NAME", " match flow direction", " collect transport tcp flags"]);
    }
}

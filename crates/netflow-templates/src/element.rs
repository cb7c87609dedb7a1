//! Information elements: what a field of a record means.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// An information element (RFC 7012): name, type and meaning of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Private enterprise number: 0 for IANA's elements, 29305 for their reverse (RFC 5103).
    pub enterprise: u32,
    /// Number within the enterprise; in v9 up to 65535.
    pub id: u16,
    /// Name in the registry; `PEN.ID` when it is in none.
    pub name: Cow<'static, str>,
    /// How a value is encoded.
    pub data_type: DataType,
    /// What arithmetic on values means.
    pub semantics: Semantics,
    /// What a value counts.
    pub units: Units,
}

impl Element {
    /// An element that no registry knows: its values are octets.
    pub fn unknown(enterprise: u32, id: u16) -> Self {
        Self {
            enterprise,
            id,
            name: Cow::Owned(format!("{enterprise}.{id}")),
            data_type: DataType::OctetArray,
            semantics: Semantics::Default,
            units: Units::None,
        }
    }
}

/// Declares an enum whose variants have a text in the registries.
macro_rules! registry_enum {
    ($(#[$meta:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $variant ),* }

        impl $name {
            /// The text used in the registries.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text ),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $( $text => Ok(Self::$variant), )* _ => Err(()) }
            }
        }
    };
}

registry_enum! {
    /// Abstract data type (RFC 7012, section 3.1; RFC 6313 for the lists).
    DataType {
        /// Octets without further meaning.
        OctetArray = "octetArray",
        /// 8 bits, not negative.
        Unsigned8 = "unsigned8",
        /// 16 bits, not negative.
        Unsigned16 = "unsigned16",
        /// 32 bits, not negative.
        Unsigned32 = "unsigned32",
        /// 64 bits, not negative.
        Unsigned64 = "unsigned64",
        /// 256 bits, not negative.
        Unsigned256 = "unsigned256",
        /// 8 bits, two's complement.
        Signed8 = "signed8",
        /// 16 bits, two's complement.
        Signed16 = "signed16",
        /// 32 bits, two's complement.
        Signed32 = "signed32",
        /// 64 bits, two's complement.
        Signed64 = "signed64",
        /// IEEE single precision.
        Float32 = "float32",
        /// IEEE double precision.
        Float64 = "float64",
        /// 1 true, 2 false.
        Boolean = "boolean",
        /// Six octets.
        MacAddress = "macAddress",
        /// UTF-8.
        String = "string",
        /// Seconds since the Unix epoch, 32 bits.
        DateTimeSeconds = "dateTimeSeconds",
        /// Milliseconds since the Unix epoch, 64 bits.
        DateTimeMilliseconds = "dateTimeMilliseconds",
        /// NTP timestamp, to be used to the microsecond.
        DateTimeMicroseconds = "dateTimeMicroseconds",
        /// NTP timestamp.
        DateTimeNanoseconds = "dateTimeNanoseconds",
        /// Four octets.
        Ipv4Address = "ipv4Address",
        /// Sixteen octets.
        Ipv6Address = "ipv6Address",
        /// Values of one element.
        BasicList = "basicList",
        /// Records of one template.
        SubTemplateList = "subTemplateList",
        /// Records of several templates.
        SubTemplateMultiList = "subTemplateMultiList",
    }
}

impl DataType {
    /// Octets that a value takes when its size is not reduced (RFC 7011, section 6.1);
    /// [`VARIABLE_LENGTH`](netflow_wire::VARIABLE_LENGTH) for those that have a length of their own each.
    pub const fn full_length(self) -> u16 {
        match self {
            Self::Unsigned8 | Self::Signed8 | Self::Boolean => 1,
            Self::Unsigned16 | Self::Signed16 => 2,
            Self::Unsigned32 | Self::Signed32 | Self::Float32 | Self::DateTimeSeconds | Self::Ipv4Address => {
                4
            }
            Self::MacAddress => 6,
            Self::Unsigned64
            | Self::Signed64
            | Self::Float64
            | Self::DateTimeMilliseconds
            | Self::DateTimeMicroseconds
            | Self::DateTimeNanoseconds => 8,
            Self::Ipv6Address => 16,
            Self::Unsigned256 => 32,
            Self::OctetArray
            | Self::String
            | Self::BasicList
            | Self::SubTemplateList
            | Self::SubTemplateMultiList => netflow_wire::VARIABLE_LENGTH,
        }
    }
}

registry_enum! {
    /// Data type semantics (RFC 7012, section 3.2).
    Semantics {
        /// None stated.
        Default = "default",
        /// A measured amount.
        Quantity = "quantity",
        /// Counts since the exporter started.
        TotalCounter = "totalCounter",
        /// Counts since the previous record of the flow.
        DeltaCounter = "deltaCounter",
        /// A name: arithmetic makes no sense.
        Identifier = "identifier",
        /// A set of bits.
        Flags = "flags",
        /// A list (RFC 6313).
        List = "list",
        /// An SNMP counter.
        SnmpCounter = "snmpCounter",
        /// An SNMP gauge.
        SnmpGauge = "snmpGauge",
    }
}

registry_enum! {
    /// What a value counts.
    Units {
        /// Nothing.
        None = "none",
        /// Bits.
        Bits = "bits",
        /// Octets.
        Octets = "octets",
        /// Packets.
        Packets = "packets",
        /// Flows.
        Flows = "flows",
        /// Seconds.
        Seconds = "seconds",
        /// Milliseconds.
        Milliseconds = "milliseconds",
        /// Microseconds.
        Microseconds = "microseconds",
        /// Nanoseconds.
        Nanoseconds = "nanoseconds",
        /// Words of four octets.
        FourOctetWords = "4-octet words",
        /// Export packets.
        Messages = "messages",
        /// Hops.
        Hops = "hops",
        /// Table entries.
        Entries = "entries",
        /// Frames.
        Frames = "frames",
        /// Ports.
        Ports = "ports",
        /// To be inferred from another element.
        Inferred = "inferred",
        /// Units of some other measure.
        Units = "units",
    }
}

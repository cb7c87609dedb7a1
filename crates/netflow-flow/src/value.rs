//! Types of columns that the standard library does not have.

use std::fmt;
use std::str::FromStr;

/// A MAC address; its text is `aa:bb:cc:dd:ee:ff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or(())?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| ())?;
        }
        if parts.next().is_none() { Ok(Self(octets)) } else { Err(()) }
    }
}

/// An application (RFC 6759, section 4): who classified it, and the number there. Its text is
/// `ENGINE:SELECTOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ApplicationId {
    /// Classification engine: 1 IANA protocol, 3 IANA port, 6 user-defined, 13 Cisco's NBAR2, ...
    pub engine: u8,
    /// Number of the application within the engine.
    pub selector: u64,
}

impl ApplicationId {
    /// From its octets on the wire: the engine, then the selector in one to seven.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (&engine, selector) = octets.split_first()?;
        if selector.len() > 7 {
            return None;
        }
        let selector = selector.iter().fold(0, |number, &octet| number << 8 | u64::from(octet));
        Some(Self { engine, selector })
    }
}

impl ApplicationId {
    /// One number for both: the engine in the highest octet, the selector below.
    pub fn number(self) -> u64 {
        u64::from(self.engine) << 56 | self.selector & (u64::MAX >> 8)
    }

    /// From the one [`number`](Self::number).
    pub fn from_number(number: u64) -> Self {
        Self { engine: (number >> 56) as u8, selector: number & (u64::MAX >> 8) }
    }
}

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.engine, self.selector)
    }
}

impl FromStr for ApplicationId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (engine, selector) = text.split_once(':').ok_or(())?;
        Ok(Self { engine: engine.parse().map_err(|_| ())?, selector: selector.parse().map_err(|_| ())? })
    }
}

/// Declares an enum that is a column of text.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub enum $name { $( $(#[$doc])* $variant ),* }

        impl $name {
            pub(crate) const DEFAULT: Self = [$( Self::$variant ),*][0];

            /// The column's text.
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

text_enum! {
    /// How far a flow's times can be trusted.
    TimeQuality {
        /// The record has no time.
        #[default]
        Missing = "missing",
        /// Absolute times in the record.
        Exact = "exact",
        /// Relative to the exporter's start or the export time, both known.
        Relative = "relative",
        /// Absolute, after a known fault of the exporter was corrected.
        Corrected = "corrected",
        /// Relative to a start that nothing tells: taken so that the last flow ended when it was exported.
        Estimated = "estimated",
    }
}

text_enum! {
    /// Where a flow's sampling rate came from.
    SamplingSource {
        /// Nowhere: unsampled is assumed.
        #[default]
        Assumed = "assumed",
        /// The record.
        Record = "record",
        /// Options data of the observation domain.
        Options = "options",
        /// Options data of another observation domain of the exporter.
        OptionsOtherDomain = "options_other_domain",
        /// The header of the export packet (v5).
        Header = "header",
        /// The user.
        Override = "override",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_back() {
        let mac = MacAddress([0, 0x1b, 0x21, 0xab, 0xcd, 0xef]);
        assert_eq!(mac.to_string(), "00:1b:21:ab:cd:ef");
        assert_eq!("00:1b:21:ab:cd:ef".parse(), Ok(mac));
        assert_eq!("00:1b:21:ab:cd".parse::<MacAddress>(), Err(()));
        let application = ApplicationId::from_octets(&[13, 0, 1, 0xc5]).unwrap();
        assert_eq!(application.to_string(), "13:453");
        assert_eq!("13:453".parse(), Ok(application));
        assert_eq!("options_other_domain".parse(), Ok(SamplingSource::OptionsOtherDomain));
    }
}

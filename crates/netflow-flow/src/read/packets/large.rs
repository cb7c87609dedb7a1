//! Numbers that are larger than JSON readers take: PyPI `netflow` writes IPv6 addresses so.

use std::net::Ipv6Addr;

/// Digits of the smallest number that does not fit 64 bits.
const DIGITS: usize = 20;

/// The line with the numbers of IPv6 addresses as texts; `None` when it has none.
///
/// A field is an address if its name says so (`sourceIPv6Address`, `IPV6_SRC_ADDR`).
pub(super) fn addresses_as_text(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut at) = (0, 0);
    let mut name: &[u8] = &[];
    while at < line.len() {
        match line[at] {
            b'"' => {
                let end = end_of_string(line, at + 1);
                name = &line[at + 1..end];
                at = end + 1;
            }
            digit if digit.is_ascii_digit() => {
                let digits = line[at..].iter().take_while(|octet| octet.is_ascii_digit()).count();
                let end = at + digits;
                if digits >= DIGITS && is_address(name) && is_value(line, at, end) {
                    let number = std::str::from_utf8(&line[at..end]).ok().and_then(|text| text.parse().ok());
                    if let Some(number) = number {
                        out.extend_from_slice(&line[copied..at]);
                        out.extend_from_slice(format!("\"{}\"", Ipv6Addr::from_bits(number)).as_bytes());
                        copied = end;
                    }
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&line[copied..]);
    Some(out)
}

/// Where the quote is that ends a string, or the line.
fn end_of_string(line: &[u8], mut at: usize) -> usize {
    while at < line.len() && line[at] != b'"' {
        at += if line[at] == b'\\' { 2 } else { 1 };
    }
    at.min(line.len())
}

fn is_address(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    has(b"ipv6") && has(b"addr")
}

/// Whether the digits are a whole number that is the value of a member.
fn is_value(line: &[u8], start: usize, end: usize) -> bool {
    let before = line[..start].trim_ascii_end().last();
    let after = line[end..].trim_ascii_start().first();
    before == Some(&b':') && matches!(after, Some(b',' | b'}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        addresses_as_text(line.as_bytes()).map(|octets| String::from_utf8(octets).unwrap())
    }

    #[test]
    fn numbers_of_addresses_become_texts() {
        let line = r#"{"sourceIPv6Address": 42540766411282592856903984951653826561, "a\"b":7,"IPV6_DST_ADDR":42540766411282592856903984951653826562}"#;
        let with_texts = r#"{"sourceIPv6Address": "2001:db8::1", "a\"b":7,"IPV6_DST_ADDR":"2001:db8::2"}"#;
        assert_eq!(text(line).as_deref(), Some(with_texts));
    }

    #[test]
    fn everything_else_is_left_alone() {
        for line in [
            r#"{"x":42540766411282592856903984951653826561}"#,
            r#"{"sourceIPv6Address":"42540766411282592856903984951653826561"}"#,
            r#"{"sourceIPv6Address":12345678901234567890.5}"#,
            r#"{"sourceIPv6Address":1}"#,
            r#"{"sourceIPv6Address":999999999999999999999999999999999999999999}"#,
            "\"\\",
            "",
        ] {
            assert_eq!(text(line), None, "{line}");
        }
    }
}

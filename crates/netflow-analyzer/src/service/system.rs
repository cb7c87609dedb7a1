//! The format of `/etc/services`.

use crate::key::proto;

/// The protocol, port and name of a line such as `https 443/tcp www-ssl # secure`; aliases are of no use
/// here. `None` for a line without these, or of a protocol that the analyzer does not name services of.
pub(super) fn parse_line(line: &str) -> Option<(u8, u16, &str)> {
    let entry = line.split('#').next()?;
    let mut words = entry.split_ascii_whitespace();
    let name = words.next()?;
    let (port, protocol) = words.next()?.split_once('/')?;
    let protocol = match protocol {
        "tcp" => proto::TCP,
        "udp" => proto::UDP,
        "sctp" => proto::SCTP,
        "dccp" => proto::DCCP,
        "udplite" => proto::UDP_LITE,
        _ => return None,
    };
    // A name goes to a terminal, and the file may be anyone's.
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    Some((protocol, port.parse().ok()?, name)).filter(|_| printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(parse_line("https\t\t443/tcp\t\twww-ssl # secure"), Some((proto::TCP, 443, "https")));
        assert_eq!(parse_line("domain 53/udp"), Some((proto::UDP, 53, "domain")));
        for nothing in ["", "# tcpmux 1/tcp", "ssh", "ssh 22", "ssh 22/", "ssh 99999/tcp", "rtmp 1/ddp"] {
            assert_eq!(parse_line(nothing), None, "{nothing:?}");
        }
        assert_eq!(parse_line("caf\u{e9} 1/tcp"), None);
        assert_eq!(parse_line("\u{1b}[31m 1/tcp"), None);
    }
}

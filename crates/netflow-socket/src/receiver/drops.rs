//! Datagrams that the kernel dropped before anyone could receive them.

use std::os::fd::AsFd;

/// Drops of a UDP socket so far, as Linux counts them in `/proc/net/udp`. `SO_RXQ_OVFL` tells them only with the next
/// datagram that is received, and so never the last ones.
pub(super) fn kernel_drops(socket: &impl AsFd) -> Option<u64> {
    let inode = rustix::fs::fstat(socket).ok()?.st_ino.to_string();
    ["/proc/net/udp", "/proc/net/udp6"].into_iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| {
            // sl local remote st queues timer retransmits uid timeout inode ref pointer drops
            let mut columns = line.split_ascii_whitespace().skip(9);
            let counted: i64 = (columns.next()? == inode).then(|| columns.nth(2)?.parse().ok())??;
            // The kernel counts with 32 bits, and some print a sign.
            Some(u64::from(counted as u32))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_full_receive_buffer_drops() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(kernel_drops(&socket), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10_000 {
            sender.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
        }
        assert!(kernel_drops(&socket).unwrap() > 0);
    }
}

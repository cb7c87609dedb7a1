//! Which socket of a port gets a datagram: decided by the sender's address, in the kernel, by a program of classic BPF.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::AsFd;

use nix::libc::{
    self, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_JA, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_MISC,
    BPF_MOD, BPF_MUL, BPF_RET, BPF_RSH, BPF_TAX, BPF_W, BPF_X, BPF_XOR, sock_filter, sock_fprog,
};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::AttachReusePortCbpf;

/// Offsets from here on are counted from the IP header (`SKF_NET_OFF`).
const IP_HEADER: u32 = libc::SKF_NET_OFF as u32;
/// `BPF_A`: what a program returns is its result.
const BPF_A: u32 = 0x10;

/// Has the kernel give each sender's address one of `sockets` sockets that share a port, in the order in which they are
/// bound.
pub(super) fn by_source(socket: &impl AsFd, sockets: usize) -> io::Result<()> {
    // A random key: nobody can choose addresses that all come to one socket. Odd, so that no bit gets lost.
    let key = RandomState::new().hash_one(sockets) as u32 | 1;
    let mut program = program(sockets as u32, key);
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// Multiplies the address by the key, 32 bits after 32 bits, and returns the remainder by the number of sockets.
fn program(sockets: u32, key: u32) -> Vec<sock_filter> {
    let load = |offset| step(BPF_LD | BPF_W | BPF_ABS, IP_HEADER.wrapping_add(offset));
    let multiply = step(BPF_ALU | BPF_MUL | BPF_K, key);
    let keep = step(BPF_MISC | BPF_TAX, 0);
    let add_kept = step(BPF_ALU | BPF_ADD | BPF_X, 0);
    let mut v6 = vec![load(8)];
    for offset in [12, 16, 20] {
        v6.extend([multiply, keep, load(offset), add_kept]);
    }
    let v4 = [load(12)];
    v6.push(step(BPF_JMP | BPF_JA, v4.len() as u32));

    let version = [
        step(BPF_LD | BPF_B | BPF_ABS, IP_HEADER),
        step(BPF_ALU | BPF_AND | BPF_K, 0xf0),
        sock_filter { jt: v6.len() as u8, ..step(BPF_JMP | BPF_JEQ | BPF_K, 0x40) },
    ];
    // The high bits are the ones that every bit of the address has a say in.
    let result = [
        multiply,
        keep,
        step(BPF_ALU | BPF_RSH | BPF_K, 16),
        step(BPF_ALU | BPF_XOR | BPF_X, 0),
        step(BPF_ALU | BPF_MOD | BPF_K, sockets),
        step(BPF_RET | BPF_A, 0),
    ];
    [&version[..], &v6, &v4, &result].concat()
}

fn step(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

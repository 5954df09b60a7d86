//! Replaces what names people, their files and their network; always the same text by the same other one.
//!
//! A name is hashed with a key, so who does not have the key cannot try names. What every node has stays: without it no
//! detection would find anything.
mod container;
mod words;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use vespid_ebpf::PrivilegedOp;

use self::words::{COMMON, ENDINGS, PROGRAMS, Words, is_system, words};
use super::{Header, Line};
use crate::bytes::{Bytes, hex};
use crate::event::{Body, Change, Event, Exec, Image, Known, KnownAccount, Open, Privileged, Resource, Socket};

/// Users and groups below are the system's own (login.defs(5)); their names are the same on many nodes.
const FIRST_PERSON: u32 = 1000;

/// Makes a recording fit for others.
pub struct Anonymiser {
    key: [u8; 32],
    keep: Vec<String>,
}

impl Anonymiser {
    /// Paths that a glob of `keep` fits stay as they are.
    #[must_use]
    pub fn new(key: [u8; 32], keep: &[String]) -> Anonymiser {
        Anonymiser {
            key,
            keep: keep.to_vec(),
        }
    }

    /// The header of the anonymised recording.
    #[must_use]
    pub fn header(&self, header: &Header) -> Header {
        let number = header.kernel.find(|c: char| c != '.' && !c.is_ascii_digit());
        Header {
            node: format!("node-{}", self.word(header.node.as_bytes())),
            boot_id: shaped(
                &self.digest(header.boot_id.as_bytes()),
                b"00000000-0000-4000-8000-000000000000",
            ),
            kernel: header.kernel[..number.unwrap_or(header.kernel.len())].to_owned(),
            ..header.clone()
        }
    }

    /// The same line about others.
    #[must_use]
    pub fn line<'a>(&self, line: Line<'a>) -> Line<'a> {
        match line {
            Line::Known(Known {
                subject,
                image,
                restated,
            }) => Line::Known(Known {
                subject,
                image: self.image(image),
                restated,
            }),
            Line::Container(known) => Line::Container(self.container(known)),
            Line::Account(known) => Line::Account(self.account(known)),
            Line::Event(Event {
                time,
                subject,
                body,
                namespaces,
            }) => Line::Event(Event {
                time,
                subject,
                body: self.body(body),
                namespaces,
            }),
            Line::Lost(_) | Line::End(_) => line,
        }
    }

    fn body<'a>(&self, body: Body<'a>) -> Body<'a> {
        match body {
            Body::Exec(Exec { filename, errno, image }) => Body::Exec(Exec {
                filename: self.path(filename),
                errno,
                image: self.image(image),
            }),
            Body::Open(open) => Body::Open(Open {
                path: self.path(open.path),
                typed: self.path(open.typed),
                ..open
            }),
            Body::Connection(mut connection) => {
                connection.local = self.end(connection.local);
                connection.remote = self.end(connection.remote);
                Body::Connection(connection)
            }
            Body::Change(change) => Body::Change(Change {
                path: self.path(change.path),
                typed: self.path(change.typed),
                target: self.path(change.target),
                target_typed: self.path(change.target_typed),
                ..change
            }),
            Body::Privileged(call) => Body::Privileged(self.privileged(call)),
            Body::Socket(socket) => Body::Socket(Socket {
                local: socket.local.map(|end| self.end(end)),
                remote: socket.remote.map(|end| self.end(end)),
                name: if socket.family == 1 {
                    self.path(socket.name)
                } else {
                    self.name(socket.name)
                },
                ..socket
            }),
            Body::Resource(resource) => Body::Resource(Resource {
                cgroup: self.path(resource.cgroup),
                ..resource
            }),
            Body::Fork(_) | Body::Exit(_) => body,
        }
    }

    fn privileged<'a>(&self, call: Privileged<'a>) -> Privileged<'a> {
        let remote = (call.op == PrivilegedOp::StdioSocket)
            .then(|| call.detail.to_string().parse().ok())
            .flatten();
        let detail = match remote {
            Some(remote) => self.end(remote).to_string().into_bytes().into(),
            None => self.path(call.detail),
        };
        Privileged { detail, ..call }
    }

    fn image<'a>(&self, image: Image<'a>) -> Image<'a> {
        let comm = self.comm(image.comm, image.exe.as_slice());
        Image {
            args: self.args(&image.args),
            exe: self.path(image.exe),
            cwd: self.path(image.cwd),
            cgroup_path: self.path(image.cgroup_path),
            comm,
            ..image
        }
    }

    fn account<'a>(&self, known: KnownAccount<'a>) -> KnownAccount<'a> {
        KnownAccount {
            container: self.name(known.container),
            name: if known.id < FIRST_PERSON {
                known.name
            } else {
                self.name(known.name)
            },
            ..known
        }
    }

    fn comm<'a>(&self, comm: Bytes<'a>, exe: &[u8]) -> Bytes<'a> {
        let is_own_name = is_system(exe) && !comm.is_empty() && base(exe).starts_with(comm.as_slice());
        if is_own_name || comm.is_empty() || PROGRAMS.contains(comm.as_slice()) {
            return comm;
        }
        self.component(comm.as_slice()).into_owned().into()
    }

    fn args(&self, args: &Bytes<'_>) -> Bytes<'static> {
        let mut out = Vec::with_capacity(args.as_slice().len());
        let mut rest = args.as_slice();
        let mut is_first = true;
        while !rest.is_empty() {
            let end = rest.iter().position(|&byte| byte == 0);
            let arg = &rest[..end.unwrap_or(rest.len())];
            out.extend_from_slice(&self.arg(arg, is_first));
            out.extend(end.map(|_| 0));
            rest = end.map_or(&[][..], |end| &rest[end + 1..]);
            is_first = false;
        }
        out.into()
    }

    fn arg<'a>(&self, arg: &'a [u8], is_first: bool) -> Cow<'a, [u8]> {
        if arg.is_empty() || PROGRAMS.contains(arg) || matches!(arg, b"-" | b"--") {
            return arg.into();
        }
        // A login shell calls itself `-bash`.
        if is_first && arg.first() == Some(&b'-') && PROGRAMS.contains(&arg[1..]) {
            return arg.into();
        }
        let is_path = (is_first || arg.first() == Some(&b'/')) && !arg.iter().any(u8::is_ascii_whitespace);
        if is_path {
            return self.path(arg.into()).0;
        }
        let option = arg.split(|&byte| byte == b'=').next().unwrap_or(arg);
        let is_word =
            |word: &[u8]| word.len() > 1 && word.iter().all(|&byte| byte == b'-' || byte.is_ascii_lowercase());
        let is_option = match option {
            [b'-', letter] => letter.is_ascii_alphanumeric(),
            [b'-', b'-', word @ ..] => is_word(word),
            _ => false,
        };
        if !is_option {
            return self.word(arg).into_bytes().into();
        }
        let mut out = option.to_vec();
        if let Some(value) = arg.get(option.len() + 1..) {
            out.push(b'=');
            out.extend_from_slice(&self.arg(value, false));
        }
        out.into()
    }

    fn path<'a>(&self, path: Bytes<'a>) -> Bytes<'a> {
        let text = path.as_slice();
        if text.is_empty() || self.keep.iter().any(|glob| fast_glob::glob_match(glob, text)) {
            return path;
        }
        // Control groups and /sys name containers below any directory.
        if is_system(text)
            && runs_of_digits(text).next().is_none()
            && !text.split(|&b| b == b'/').any(|name| name == b"..")
        {
            return path;
        }
        let is_system = is_system(text) && !text.split(|&b| b == b'/').any(|name| name == b"..");
        let components = text.split(|&byte| byte == b'/').map(|name| match is_system {
            true => self.without_ids(name),
            false => self.component(name),
        });
        let components: Vec<Cow<'_, [u8]>> = components.collect();
        components.join(&b'/').into()
    }

    /// A file's or directory's name.
    fn component<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        let is_number = name.iter().all(u8::is_ascii_digit);
        let is_pod = name.starts_with(b"kubepods");
        if matches!(name, b"" | b"." | b"..") || COMMON.contains(name) || PROGRAMS.contains(name) || is_number {
            return name.into();
        }
        if is_pod || runs_of_digits(name).next().is_some() {
            return self.without_ids_strictly(name);
        }
        let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
        let ending = dot
            .map(|dot| &name[dot..])
            .filter(|ending| ENDINGS.contains(&ending[1..]));
        let mut out = self
            .word(&name[..name.len() - ending.map_or(0, <[u8]>::len)])
            .into_bytes();
        out.extend_from_slice(ending.unwrap_or_default());
        out.into()
    }

    /// A name that holds an id: known words around it stay, others are hashed as a whole.
    fn without_ids_strictly<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        static AROUND: Words = LazyLock::new(|| {
            words(
                "docker libpod libpod-payload crio cri-containerd containerd nerdctl runc pod slice scope kubepods \
            besteffort burstable conmon",
            )
        });
        let mut at = 0;
        let mut around = Vec::new();
        for (from, to) in runs_of_digits(name) {
            around.extend_from_slice(&name[at..from]);
            around.push(b'-');
            at = to;
        }
        around.extend_from_slice(&name[at..]);
        let mut words = around.split(|byte| matches!(byte, b'-' | b'.' | b':' | b'_'));
        match words.all(|word| word.is_empty() || AROUND.contains(word)) {
            true => self.without_ids(name),
            false => self.word(name).into_bytes().into(),
        }
    }

    /// The same with other ids in place of long ones.
    fn without_ids<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        let mut out = name.to_vec();
        for (from, to) in runs_of_digits(name) {
            let id = &name[from..to];
            out[from..to].copy_from_slice(self.id(id).as_bytes());
        }
        match out == name {
            true => name.into(),
            false => out.into(),
        }
    }

    fn id(&self, id: &[u8]) -> String {
        let digits: Vec<u8> = id.iter().copied().filter(u8::is_ascii_hexdigit).collect();
        shaped(&self.digest(&digits), id)
    }

    /// A name, or an id if it looks like one.
    fn name<'a>(&self, name: Bytes<'a>) -> Bytes<'a> {
        let text = name.as_slice();
        if text.is_empty() {
            return name;
        }
        match runs_of_digits(text).next() {
            Some((0, end)) if end == text.len() => self.id(text).into_bytes().into(),
            _ => self.word(text).into_bytes().into(),
        }
    }

    fn end(&self, end: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.address(end.ip()), end.port())
    }

    fn address(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => IpAddr::V4(self.v4(v4)),
            IpAddr::V6(v6) => IpAddr::V6(match v6.to_ipv4_mapped() {
                Some(v4) => self.v4(v4).to_ipv6_mapped(),
                None => self.v6(v6),
            }),
        }
    }

    fn v4(&self, address: Ipv4Addr) -> Ipv4Addr {
        let [a, b, ..] = address.octets();
        let hash = self.digest(&address.octets());
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return address;
        }
        let octets = match (a, b) {
            (10, _) => [10, hash[0], hash[1], hash[2]],
            (172, 16..32) => [172, 16 + hash[0] % 16, hash[1], hash[2]],
            (192, 168) | (169, 254) => [a, b, hash[0], hash[1]],
            (100, 64..128) => [100, 64 + hash[0] % 64, hash[1], hash[2]],
            // From 11 to 99, all addresses are public.
            _ => [11 + hash[0] % 89, hash[1], hash[2], hash[3]],
        };
        octets.into()
    }

    fn v6(&self, address: Ipv6Addr) -> Ipv6Addr {
        let hash = self.digest(&address.octets());
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            return address;
        }
        let mut octets = [0; 16];
        octets.copy_from_slice(&hash[..16]);
        let first = address.octets();
        match first[0] {
            // Unique local and link-local.
            0xfc..=0xff => octets[..2].copy_from_slice(&[first[0], first[1] & 0xc0]),
            _ => octets[0] = 0x2a,
        }
        octets.into()
    }

    /// What stands for a text: short enough for a process's name.
    fn word(&self, text: &[u8]) -> String {
        format!("x{}", hex(&self.digest(text)[..6]))
    }

    fn digest(&self, text: &[u8]) -> [u8; 32] {
        // The key is of fixed length, so no two pairs of key and text are the same bytes.
        Sha256::new()
            .chain_update(self.key)
            .chain_update(text)
            .finalize()
            .into()
    }
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// Where ids of containers and pods stand: 32 hexadecimal digits or more, perhaps with `-` or `_` among them.
fn runs_of_digits(name: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < name.len() {
            let from = at + name[at..].iter().position(|&byte| is_digit(byte))?;
            let run = name[from..]
                .iter()
                .take_while(|&&byte| is_digit(byte) || matches!(byte, b'-' | b'_'));
            let mut to = from + run.count();
            at = to;
            while !is_digit(name[to - 1]) {
                to -= 1;
            }
            if name[from..to].iter().filter(|&&byte| is_digit(byte)).count() >= 32 {
                return Some((from, to));
            }
        }
        None
    })
}

/// Hexadecimal digits of a hash, in the places in which a text has some.
fn shaped(hash: &[u8; 32], text: &[u8]) -> String {
    let digits = hex(hash);
    let mut digits = digits.chars().cycle();
    let place = |&byte: &u8| match byte.is_ascii_hexdigit() {
        true => digits.next(),
        false => Some(char::from(byte)),
    };
    text.iter().filter_map(place).collect()
}

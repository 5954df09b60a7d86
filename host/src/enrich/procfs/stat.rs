//! The texts of `/proc/<pid>/stat` and `status`.

/// A kernel thread: `PF_KTHREAD` of the kernel's include/linux/sched.h.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What is of use in `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    pub(super) comm: &'a [u8],
    pub(super) is_zombie: bool,
    pub(super) ppid: u32,
    tty: u32,
    pub(super) is_kernel_thread: bool,
    pub(super) start_ticks: u64,
}

impl<'a> Stat<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Stat<'a>> {
        // The name may itself hold spaces, parentheses and newlines, so it ends at the last `)`.
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let comm = text.get(open + 1..close)?;
        let rest = str::from_utf8(text.get(close + 1..)?).ok()?;
        // Counted from the third field, the state.
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            comm,
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
            ppid: u32::try_from(number(1)?).ok()?,
            // The kernel prints it signed.
            tty: fields.get(4)?.parse::<i32>().ok()?.cast_unsigned(),
            is_kernel_thread: number(6)? & KERNEL_THREAD != 0,
            start_ticks: number(19)?,
        })
    }

    /// Name of the controlling terminal, by the numbers of the kernel's Documentation/admin-guide/devices.txt.
    pub(super) fn tty(&self) -> String {
        let major = (self.tty >> 8) & 0xfff;
        let minor = (self.tty & 0xff) | ((self.tty >> 12) & 0xf_ff00);
        match (major, minor) {
            (4, 0..64) => format!("tty{minor}"),
            (4, _) => format!("ttyS{}", minor - 64),
            (5, 1) => "console".into(),
            (136..144, _) => format!("pts/{}", ((major - 136) << 8) + minor),
            (204, 64..) => format!("ttyAMA{}", minor - 64),
            (229, _) => format!("hvc{minor}"),
            _ => String::new(),
        }
    }
}

/// Users and groups of a process, and what it may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Users {
    pub(super) uid: u32,
    pub(super) euid: u32,
    pub(super) gid: u32,
    pub(super) egid: u32,
    pub(super) capabilities: u64,
}

/// From the text of `/proc/<pid>/status`. (The name in it is escaped, so no line can be forged.)
pub(super) fn users(text: &[u8]) -> Option<Users> {
    let line = |name: &[u8]| {
        let line = text
            .split(|&byte| byte == b'\n')
            .find_map(|line| line.strip_prefix(name))?;
        str::from_utf8(line).ok()
    };
    let pair = |name: &[u8]| {
        let mut ids = line(name)?.split_ascii_whitespace().map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    let ((uid, euid), (gid, egid)) = (pair(b"Uid:")?, pair(b"Gid:")?);
    let capabilities = line(b"CapEff:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    Some(Users {
        uid,
        euid,
        gid,
        egid,
        capabilities: capabilities.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str =
        "21728 21728 13915 34820 -1 4194304 98 0 0 0 0 0 0 0 20 0 1 0 255723 3133440 396 18446744073709551615";

    #[test]
    fn a_name_with_parentheses_and_newlines_is_read() {
        let text = format!("21734 (a) R 1\n(b)) S {REST}\n");
        let stat = Stat::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (stat.comm, stat.ppid, stat.start_ticks),
            (&b"a) R 1\n(b)"[..], 21728, 255_723)
        );
        assert_eq!(
            (stat.tty().as_str(), stat.is_zombie, stat.is_kernel_thread),
            ("pts/4", false, false)
        );
    }

    #[test]
    fn a_text_cut_short_is_refused() {
        let text = format!("21734 (cat) S {REST}");
        for end in 0..text.find("255723").unwrap() {
            assert_eq!(Stat::parse(&text.as_bytes()[..end]), None, "{end}");
        }
    }

    #[test]
    fn terminals_have_their_kernel_names() {
        let tty = |major: u32, minor: u32| {
            let number = (major << 8) | (minor & 0xff) | ((minor & 0xf_ff00) << 12);
            let text = REST.replace("34820", &number.to_string());
            Stat::parse(format!("1 (x) S {text}").as_bytes()).unwrap().tty()
        };
        assert_eq!(
            [tty(136, 3), tty(136, 700), tty(4, 1), tty(4, 64), tty(5, 1)],
            ["pts/3", "pts/700", "tty1", "ttyS0", "console"]
        );
        assert_eq!(tty(0, 0), "");
    }

    #[test]
    fn users_of_a_process() {
        let users = users(
            b"Name:\tx\\nUid:\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t100\t50\t0\t0\nCapEff:\t0000000000003000\n",
        );
        assert_eq!(
            users,
            Some(Users {
                uid: 1000,
                euid: 0,
                gid: 100,
                egid: 50,
                capabilities: 0x3000,
            })
        );
    }
}

//! Ports as a finite set of names.

/// Services by port, for the ports that an operator knows by heart. Ascending.
const SERVICES: [(u16, &str); 56] = [
    (20, "ftp"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (80, "http"),
    (88, "kerberos"),
    (110, "pop3"),
    (111, "rpcbind"),
    (143, "imap"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (465, "smtps"),
    (514, "syslog"),
    (587, "submission"),
    (636, "ldaps"),
    (853, "dns-over-tls"),
    (873, "rsync"),
    (993, "imaps"),
    (995, "pop3s"),
    (1433, "mssql"),
    (1521, "oracle"),
    (1883, "mqtt"),
    (2049, "nfs"),
    (2181, "zookeeper"),
    (2375, "docker"),
    (2376, "docker"),
    (2379, "etcd"),
    (2380, "etcd"),
    (3128, "proxy"),
    (3306, "mysql"),
    (3389, "rdp"),
    (4222, "nats"),
    (4317, "otlp"),
    (4318, "otlp"),
    (5432, "postgresql"),
    (5671, "amqp"),
    (5672, "amqp"),
    (5900, "vnc"),
    (6379, "redis"),
    (6443, "kube-api"),
    (8000, "http-alt"),
    (8080, "http-alt"),
    (8443, "https-alt"),
    (8500, "consul"),
    (8888, "http-alt"),
    (9042, "cassandra"),
    (9090, "prometheus"),
    (9092, "kafka"),
    (9100, "node-exporter"),
    (9200, "elasticsearch"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (27017, "mongodb"),
];

/// First port that Linux hands out to clients (`net.ipv4.ip_local_port_range`).
const FIRST_EPHEMERAL: u16 = 32_768;

/// The class of a port, as a small number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class(u8);

const WELL_KNOWN: Class = Class(u8::MAX - 2);
const REGISTERED: Class = Class(u8::MAX - 1);
const EPHEMERAL: Class = Class(u8::MAX);

impl Class {
    pub(crate) fn of(port: u16) -> Self {
        if port >= FIRST_EPHEMERAL {
            return EPHEMERAL;
        }
        match SERVICES.binary_search_by_key(&port, |(port, _)| *port) {
            Ok(found) => u8::try_from(found).map_or(REGISTERED, Class),
            Err(_) if port < 1024 => WELL_KNOWN,
            Err(_) => REGISTERED,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            WELL_KNOWN => "well-known",
            EPHEMERAL => "ephemeral",
            Class(service) => SERVICES
                .get(usize::from(service))
                .map_or("registered", |(_, name)| name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_a_class() {
        let classes = [22, 7, 443, 1024, 27017, 32_767, 32_768].map(|port| Class::of(port).name());
        assert_eq!(
            classes,
            [
                "ssh",
                "well-known",
                "https",
                "registered",
                "mongodb",
                "registered",
                "ephemeral"
            ]
        );
        assert!(SERVICES.is_sorted());
        assert!(SERVICES.iter().all(|(port, _)| *port < FIRST_EPHEMERAL));
    }
}

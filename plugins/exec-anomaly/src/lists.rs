//! What the rules know by name.

/// Folders that anybody may write to and nothing is installed in.
pub(crate) const TEMPORARY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

/// Executables that live in memory for a good reason: container runtimes protect themselves from CVE-2019-5736 so.
pub(crate) const MEMFD_EXCEPTIONS: &[&str] = &[
    "memfd:runc_cloned:*",
    "memfd:runc_cloned:/**",
    "memfd:crun*",
    "memfd:youki*",
];

pub(crate) const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "csh", "tcsh", "fish", "rbash", "busybox", "pwsh",
];

/// What runs a script that is its argument.
pub(crate) const INTERPRETERS: &[&str] = &[
    "python",
    "python[0-9]*",
    "perl",
    "perl5*",
    "ruby",
    "ruby[0-9]*",
    "php",
    "php[0-9]*",
    "node",
    "nodejs",
    "lua*",
    "tclsh*",
];

/// Servers that the network reaches: web, application, database, mail, queue and name servers.
pub(crate) const SERVERS: &[&str] = &[
    "nginx",
    "apache2",
    "httpd",
    "lighttpd",
    "caddy",
    "haproxy",
    "traefik",
    "envoy",
    "varnishd",
    "squid",
    "openresty",
    "php-fpm*",
    "php-cgi*",
    "java",
    "node",
    "nodejs",
    "dotnet",
    "beam.smp",
    "uwsgi",
    "gunicorn*",
    "uvicorn*",
    "puma*",
    "unicorn*",
    "postgres",
    "postmaster",
    "mysqld",
    "mariadbd",
    "mongod",
    "redis-server",
    "valkey-server",
    "memcached",
    "clickhouse*",
    "couchdb",
    "influxd",
    "exim*",
    "/usr/lib*/postfix/**",
    "dovecot",
    "named",
    "vsftpd",
    "proftpd",
    "smbd",
    "tomcat*",
    "w3wp",
];

/// What makes a server of an interpreter: one of its arguments contains this.
pub(crate) const SERVER_ARGUMENTS: &[&str] = &[
    "http.server",
    "SimpleHTTPServer",
    "gunicorn",
    "uvicorn",
    "hypercorn",
    "waitress",
    "flask",
    "runserver",
    "puma",
    "unicorn",
];

/// What makes a build tool or an editor of what looks like a server: one of its arguments contains this.
pub(crate) const TOOL_ARGUMENTS: &[&str] = &[
    "/npm",
    "npm-cli.js",
    "/npx",
    "npx-cli.js",
    "/yarn",
    "yarn.js",
    "/pnpm",
    "pnpm.cjs",
    "/corepack",
    "vscode-server",
    "/.cursor-server",
    "org.gradle",
    "org.codehaus.plexus.classworlds",
    "org.apache.maven",
    "sbt-launch",
    "/jest",
    "/webpack",
    "/vite",
    "/eslint",
    "/node-gyp",
];

/// Servers that start a program for each connection, with the connection as its input and output.
pub(crate) const SUPER_SERVERS: &[&str] = &["inetd", "inetutils-inetd", "xinetd", "tcpserver", "s6-tcpserver*"];

/// What traces others for a living: debuggers, checkpoints, collectors of crashes.
pub(crate) const DEBUGGERS: &[&str] = &[
    "gdb",
    "gdbserver",
    "lldb",
    "lldb-[0-9]*",
    "lldb-server*",
    "strace",
    "ltrace",
    "rr",
    "dlv",
    "criu",
    "*crashpad_handler",
];

/// What makes and enters namespaces for a living: container runtimes, builders of images, sandboxes.
pub(crate) const RUNTIMES: &[&str] = &[
    "runc",
    "memfd:runc_cloned:*",
    "memfd:runc_cloned:/**",
    "crun",
    "memfd:crun*",
    "youki",
    "conmon",
    "containerd*",
    "dockerd",
    "podman",
    "buildah",
    "buildkit*",
    "rootlesskit",
    "bwrap",
    "systemd*",
    "chrome*",
];

pub(crate) fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|item| (*item).to_owned()).collect()
}

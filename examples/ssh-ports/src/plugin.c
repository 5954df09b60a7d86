// `ssh-ports`: ssh to a public address on a port that is another service's own, such as 443, which firewalls let through.
//
// Verdict `ssh-odd-port`, severity notice, ATT&CK T1572 (protocol tunnelling) and T1571 (non-standard port). Attempts that fail count.
#include "vespid.h"

enum { CONNECTIONS };

static const vespid_metric metrics[] = {
    [CONNECTIONS] = {"connections", "Connections and attempts of ssh clients, by kind of port.", VESPID_COUNTER, {"port"}},
};
static uint32_t odd_ports = VESPID_NEW, other_ports = VESPID_NEW;

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"ports\":{\"description\":\"Ports on which nobody expects ssh.\",\"type\":\"array\",\"items\":{\"type\":\"string\"},"
    "\"default\":[\"53\",\"80\",\"88\",\"443\",\"4444\",\"8080\",\"8443\"]},"
    "\"programs\":{\"description\":\"File names of the programs that are watched.\",\"type\":\"array\","
    "\"items\":{\"type\":\"string\"},\"default\":[\"ssh\",\"dbclient\"]}}}";

#define MOST_PORTS 64
static uint32_t ports[MOST_PORTS] = {53, 80, 88, 443, 4444, 8080, 8443};
static size_t ports_len = 7;
static vespid_bytes usual_programs[2];
static vespid_list programs;

// The port that a text is, or 0.
static uint32_t port_of(vespid_bytes text) {
    uint32_t port = 0;
    for (size_t at = 0; at < text.len; at++) {
        if (text.ptr[at] < '0' || text.ptr[at] > '9' || port > 6553)
            return 0;
        port = port * 10 + (text.ptr[at] - '0');
    }
    return port < 65536 ? port : 0;
}

static const char *init(vespid_bytes config) {
    if (vespid_config_has(config, "ports")) {
        vespid_list list;
        if (!vespid_config_strings(config, "ports", &list) || list.len > MOST_PORTS)
            return "`ports` is a list of at most 64 port numbers, each in quotes";
        for (ports_len = 0; ports_len < list.len; ports_len++) {
            ports[ports_len] = port_of(list.ptr[ports_len]);
            if (!ports[ports_len])
                return "`ports` are numbers from 1 to 65535, each in quotes";
        }
    }
    usual_programs[0] = vespid_text("ssh");
    usual_programs[1] = vespid_text("dbclient");
    programs = (vespid_list){usual_programs, 2};
    if (vespid_config_has(config, "programs") && !vespid_config_strings(config, "programs", &programs))
        return "`programs` is a list of file names";
    return 0;
}

// IPv4 in its IPv6-mapped form: neither private nor local.
static bool is_public(const uint8_t *address) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool is_v4 = true;
    for (size_t at = 0; at < sizeof mapped; at++)
        is_v4 &= address[at] == mapped[at];
    if (!is_v4)
        // Global unicast is 2000::/3.
        return (address[0] & 0xe0) == 0x20;
    const uint8_t *v4 = address + 12;
    return !(v4[0] == 10 || v4[0] == 127 || v4[0] == 0 || v4[0] >= 224 || (v4[0] == 172 && (v4[1] & 0xf0) == 16) ||
             (v4[0] == 192 && v4[1] == 168) || (v4[0] == 169 && v4[1] == 254) || (v4[0] == 100 && (v4[1] & 0xc0) == 64));
}

static bool is_odd(uint32_t port) {
    for (size_t at = 0; at < ports_len; at++)
        if (ports[at] == port)
            return true;
    return false;
}

static bool is_watched(vespid_bytes program) {
    for (size_t at = 0; at < programs.len; at++)
        if (vespid_equal(programs.ptr[at], program))
            return true;
    return false;
}

// Numbers of `connections.op` and `connections.direction` in vespid.wit.
enum { OPENED = 1, FAILED = 3, OUTBOUND = 0 };

static void on_batch(const vespid_batch *batch, vespid_report *report) {
    if (!batch->connections.is_some)
        return;
    const vespid_plugin_events_connections_t *connections = &batch->connections.val;
    uint32_t odd = 0, other = 0;
    for (uint32_t row = 0; row < connections->seq.len; row++) {
        uint8_t op = connections->op.ptr[row];
        uint32_t process = vespid_cell(connections->process, row);
        if (connections->direction.ptr[row] != OUTBOUND || (op != OPENED && op != FAILED) || process == VESPID_NONE)
            continue;
        vespid_bytes program = vespid_basename(vespid_string(batch, vespid_cell(batch->processes.exe, process)));
        if (!is_watched(program))
            continue;
        uint32_t port = vespid_cell(connections->remote_port, row);
        const uint8_t *remote = connections->addresses.ptr + (size_t)row * 32 + 16;
        if (!is_odd(port) || !is_public(remote)) {
            other++;
            continue;
        }
        odd++;
        vespid_verdict *verdict = vespid_verdict_add(report, "ssh-odd-port", VESPID_NOTICE);
        vespid_about(verdict, VESPID_PLUGIN_REPORTS_ROW_CONNECTION, row);
        vespid_say(&verdict->message, "%b %s a public address on port %u", &program,
                   op == OPENED ? "connected to" : "tried", (uint64_t)port);
        vespid_say(&verdict->key, "ssh-odd-port/%u", (uint64_t)port);
        vespid_tag(verdict, "T1571");
        vespid_tag(verdict, "T1572");
        vespid_field(verdict, "port", "%u", (uint64_t)port);
    }
    if (odd)
        vespid_add(report, &odd_ports, CONNECTIONS, (const char *const[]){"odd"}, odd);
    if (other)
        vespid_add(report, &other_ports, CONNECTIONS, (const char *const[]){"other"}, other);
}

const vespid_plugin_definition vespid_plugin = {
    .name = "ssh-ports",
    .version = "0.1.0",
    .description = "Reports ssh to public addresses on ports that are other services' own",
    .tables = VESPID_CONNECTIONS,
    .metrics = metrics,
    .metrics_len = sizeof metrics / sizeof *metrics,
    .schema = schema,
    .init = init,
    .on_batch = on_batch,
};

// `{{name}}`: reports programs that are run from folders where programs do not belong, and counts all runs.
#include "vespid.h"

enum { RUNS };

static const vespid_metric metrics[] = {
    [RUNS] = {"runs", "Programs run, in watched folders and elsewhere.", VESPID_COUNTER, {"place"}},
};
static uint32_t watched_runs = VESPID_NEW, other_runs = VESPID_NEW;

// What can be set in `{{name}}.toml`.
static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"folders\":{"
    "\"description\":\"Programs that are run from here, or from below, are reported.\","
    "\"type\":\"array\",\"items\":{\"type\":\"string\"},\"default\":[\"/tmp\",\"/var/tmp\",\"/dev/shm\"]}}}";
static vespid_list folders;

static const char *init(vespid_bytes config) {
    if (!vespid_config_strings(config, "folders", &folders))
        return "`folders` is a list of paths";
    if (!folders.ptr && !vespid_config_has(config, "folders")) {
        static vespid_bytes usual[3];
        usual[0] = vespid_text("/tmp");
        usual[1] = vespid_text("/var/tmp");
        usual[2] = vespid_text("/dev/shm");
        folders = (vespid_list){usual, 3};
    }
    for (size_t at = 0; at < folders.len; at++) {
        vespid_bytes *folder = &folders.ptr[at];
        if (!vespid_starts_with(*folder, vespid_text("/")))
            return "`folders` are absolute paths";
        while (folder->len && folder->ptr[folder->len - 1] == '/')
            folder->len--;
    }
    return 0;
}

// The watched folder that a path is in.
static const vespid_bytes *watched(vespid_bytes path) {
    for (size_t at = 0; at < folders.len; at++) {
        vespid_bytes folder = folders.ptr[at];
        if (path.len > folder.len && path.ptr[folder.len] == '/' && vespid_starts_with(path, folder))
            return &folders.ptr[at];
    }
    return 0;
}

static void on_batch(const vespid_batch *batch, vespid_report *report) {
    if (!batch->execs.is_some)
        return;
    const vespid_plugin_events_execs_t *execs = &batch->execs.val;
    uint32_t runs_watched = 0, runs_elsewhere = 0;
    for (uint32_t row = 0; row < execs->seq.len; row++) {
        uint32_t process = vespid_cell(execs->process, row);
        if (vespid_cell(execs->errno, row) != 0 || process == VESPID_NONE)
            continue;
        // Of a script, `exe` is the interpreter and `filename` the script.
        vespid_bytes path = vespid_string(batch, vespid_cell(batch->processes.exe, process));
        const vespid_bytes *folder = watched(path);
        if (!folder) {
            path = vespid_string(batch, vespid_cell(execs->filename, row));
            folder = watched(path);
        }
        if (!folder) {
            runs_elsewhere++;
            continue;
        }
        runs_watched++;
        vespid_bytes comm = vespid_string(batch, vespid_cell(batch->processes.comm, process));
        vespid_verdict *verdict = vespid_verdict_add(report, "run-from-folder", VESPID_WARNING);
        vespid_about(verdict, VESPID_PLUGIN_REPORTS_ROW_EXEC, row);
        vespid_say(&verdict->message, "%b was run from %b: %b", &comm, folder, &path);
        vespid_say(&verdict->key, "%b", &path);
        vespid_field(verdict, "folder", "%b", folder);
    }
    vespid_add(report, &watched_runs, RUNS, (const char *const[]){"watched"}, runs_watched);
    vespid_add(report, &other_runs, RUNS, (const char *const[]){"elsewhere"}, runs_elsewhere);
}

const vespid_plugin_definition vespid_plugin = {
    .name = "{{name}}",
    .version = "0.1.0",
    .description = "Reports programs that are run from folders where programs do not belong",
    .tables = VESPID_EXECS,
    .metrics = metrics,
    .metrics_len = sizeof metrics / sizeof *metrics,
    .schema = schema,
    .init = init,
    .on_batch = on_batch,
};

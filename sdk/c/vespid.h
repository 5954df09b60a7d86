/* Write Vespid detection plugins in C.
 *
 * A plugin defines `vespid_plugin`. It has no C library and needs none: memory, a few string functions and everything
 * that a report is made of are in vespid.c. The tables and their columns are in plugin.h, documented in vespid.wit.
 *
 * Bytes of the kernel's (paths, arguments, names) need not be UTF-8. `%b` escapes what a terminal or a log could take
 * amiss; everything that goes into a report has to be text. */
#ifndef VESPID_H
#define VESPID_H

#include "plugin.h"

typedef vespid_plugin_events_batch_t vespid_batch;
typedef vespid_plugin_reports_report_t vespid_report;
typedef vespid_plugin_reports_verdict_t vespid_verdict;

/* No row of a table. */
#define VESPID_NONE UINT32_MAX
/* A series that has not been registered yet: see vespid_add. */
#define VESPID_NEW UINT32_MAX

#define VESPID_EXECS VESPID_PLUGIN_DESCRIBE_KINDS_EXECS
#define VESPID_EXITS VESPID_PLUGIN_DESCRIBE_KINDS_EXITS
#define VESPID_CONNECTIONS VESPID_PLUGIN_DESCRIBE_KINDS_CONNECTIONS
#define VESPID_OPENS VESPID_PLUGIN_DESCRIBE_KINDS_OPENS
#define VESPID_PRIVILEGED VESPID_PLUGIN_DESCRIBE_KINDS_PRIVILEGED
#define VESPID_SOCKETS VESPID_PLUGIN_DESCRIBE_KINDS_SOCKETS
#define VESPID_RESOURCES VESPID_PLUGIN_DESCRIBE_KINDS_RESOURCES

#define VESPID_INFO VESPID_PLUGIN_REPORTS_SEVERITY_INFO
#define VESPID_NOTICE VESPID_PLUGIN_REPORTS_SEVERITY_NOTICE
#define VESPID_WARNING VESPID_PLUGIN_REPORTS_SEVERITY_WARNING
#define VESPID_ERROR VESPID_PLUGIN_REPORTS_SEVERITY_ERROR
#define VESPID_CRITICAL VESPID_PLUGIN_REPORTS_SEVERITY_CRITICAL

#define VESPID_COUNTER VESPID_PLUGIN_DESCRIBE_METRIC_KIND_COUNTER
#define VESPID_GAUGE VESPID_PLUGIN_DESCRIBE_METRIC_KIND_GAUGE

/* Most labels of a metric. */
#define VESPID_LABELS 4

/* Bytes that belong to somebody else: to the batch, while the call lasts. */
typedef struct {
    const uint8_t *ptr;
    size_t len;
} vespid_bytes;

typedef exports_vespid_plugin_guest_list_filter_t vespid_filters;

typedef struct {
    const char *name, *help;
    uint8_t kind;
    const char *labels[VESPID_LABELS];
} vespid_metric;

/* What a plugin is. Functions that are 0 do nothing. */
typedef struct {
    const char *name, *version, *description;
    /* Which tables it wants: VESPID_EXECS | VESPID_OPENS … */
    uint8_t tables;
    const vespid_metric *metrics;
    size_t metrics_len;
    /* JSON Schema of the configuration. */
    const char *schema;
    uint32_t state_version;
    /* Seconds of the flight recorder to be shown when it is new on a node; 0 for none. */
    uint32_t look_back;
    /* Takes the configuration, a JSON object: 0, or what is wrong with it. */
    const char *(*init)(vespid_bytes config);
    /* Which rows of its tables it wants, all of it in memory from malloc; without it, every row. */
    vespid_filters (*filters)(void);
    void (*on_batch)(const vespid_batch *batch, vespid_report *report);
    /* Event time has come to `now`, in Unix nanoseconds; once a second. */
    void (*tick)(uint64_t now, vespid_report *report);
    /* The state, in memory from malloc; and back: false if it cannot be used. */
    plugin_list_u8_t (*snapshot)(void);
    bool (*restore)(uint32_t version, vespid_bytes state);
} vespid_plugin_definition;

extern const vespid_plugin_definition vespid_plugin;

/* String `id` of a batch; empty if there is none. */
vespid_bytes vespid_string(const vespid_batch *batch, uint32_t id);

/* Element `row` of a u32 column; 0 if there is none. */
static inline uint32_t vespid_cell(plugin_list_u32_t column, uint32_t row) {
    return row < column.len ? column.ptr[row] : 0;
}

vespid_bytes vespid_text(const char *text);
bool vespid_equal(vespid_bytes a, vespid_bytes b);
bool vespid_starts_with(vespid_bytes bytes, vespid_bytes start);
/* What follows the last slash. */
vespid_bytes vespid_basename(vespid_bytes path);

/* Adds a verdict to a report. It may be filled in until the next one is added. */
vespid_verdict *vespid_verdict_add(vespid_report *report, const char *rule, uint8_t severity);
/* What it is about: VESPID_PLUGIN_REPORTS_ROW_EXEC and a row of `execs`, for instance. */
void vespid_about(vespid_verdict *verdict, uint8_t table, uint32_t row);
/* Formats: %s a C string, %b a `const vespid_bytes *` escaped, %u a uint64_t, %% a percent sign. */
void vespid_say(plugin_string_t *to, const char *format, ...);
void vespid_field(vespid_verdict *verdict, const char *name, const char *format, ...);
void vespid_tag(vespid_verdict *verdict, const char *tag);

/* Adds to a counter, or sets a gauge. `series` remembers the series, and begins as VESPID_NEW; `labels` are as many as
 * the metric has, and used the first time only. */
void vespid_add(vespid_report *report, uint32_t *series, uint32_t metric, const char *const *labels, double value);

/* The strings of a list in the configuration. False if `key` is something else; without the key, an empty list. */
typedef struct {
    vespid_bytes *ptr;
    size_t len;
} vespid_list;
bool vespid_config_strings(vespid_bytes config, const char *key, vespid_list *list);
/* Whether the configuration has a key. */
bool vespid_config_has(vespid_bytes config, const char *key);
/* A whole number in the configuration; `value` stays as it is without the key. */
bool vespid_config_number(vespid_bytes config, const char *key, uint64_t *value);

void *malloc(size_t size);
void *realloc(void *memory, size_t size);
void free(void *memory);

#endif

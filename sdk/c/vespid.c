/* The part of a plugin that is the same in all of them. */
#include "vespid.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Memory: blocks of sizes that are powers of two, in lists of free ones. A block knows its list. */

#define CLASSES 32
#define HEADER 16
#define PAGE 65536u

extern unsigned char __heap_base;
static unsigned char *fresh, *end;
static void *idle[CLASSES];

static uint32_t class_of(size_t size) {
    size_t needed = size + HEADER;
    uint32_t class = 5;
    while (class < CLASSES && ((size_t)1 << class) < needed)
        class++;
    return class;
}

void *malloc(size_t size) {
    uint32_t class = class_of(size);
    if (class >= 31)
        return 0;
    unsigned char *block = idle[class];
    if (block) {
        memcpy(&idle[class], block + HEADER, sizeof(void *));
        return block + HEADER;
    }
    size_t len = (size_t)1 << class;
    if (!fresh) {
        fresh = (unsigned char *)(((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15);
        end = (unsigned char *)(__builtin_wasm_memory_size(0) * PAGE);
    }
    if ((size_t)(end - fresh) < len) {
        size_t pages = (len - (size_t)(end - fresh) + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1)
            return 0;
        end += pages * PAGE;
    }
    block = fresh;
    fresh += len;
    *(uint32_t *)block = class;
    return block + HEADER;
}

void free(void *memory) {
    if (!memory)
        return;
    unsigned char *block = (unsigned char *)memory - HEADER;
    uint32_t class = *(uint32_t *)block;
    memcpy(memory, &idle[class], sizeof(void *));
    idle[class] = block;
}

void *calloc(size_t count, size_t size) {
    if (size && count > SIZE_MAX / size)
        return 0;
    void *memory = malloc(count * size);
    return memory ? memset(memory, 0, count * size) : 0;
}

void *realloc(void *memory, size_t size) {
    if (!memory)
        return malloc(size);
    uint32_t class = *(uint32_t *)((unsigned char *)memory - HEADER);
    if (class_of(size) <= class)
        return memory;
    void *larger = malloc(size);
    if (larger) {
        memcpy(larger, memory, ((size_t)1 << class) - HEADER);
        free(memory);
    }
    return larger;
}

_Noreturn void abort(void) {
    __builtin_trap();
}

static void *demand(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (!memory)
        abort();
    return memory;
}

/* Bytes. With bulk memory operations the built-ins are instructions, not calls of these functions. */

void *memcpy(void *to, const void *from, size_t len) {
    return __builtin_memcpy(to, from, len);
}

void *memmove(void *to, const void *from, size_t len) {
    return __builtin_memmove(to, from, len);
}

void *memset(void *to, int byte, size_t len) {
    return __builtin_memset(to, byte, len);
}

int memcmp(const void *a, const void *b, size_t len) {
    const unsigned char *left = a, *right = b;
    for (size_t at = 0; at < len; at++)
        if (left[at] != right[at])
            return left[at] < right[at] ? -1 : 1;
    return 0;
}

size_t strlen(const char *text) {
    size_t len = 0;
    while (text[len])
        len++;
    return len;
}

vespid_bytes vespid_text(const char *text) {
    return (vespid_bytes){(const uint8_t *)text, strlen(text)};
}

bool vespid_equal(vespid_bytes a, vespid_bytes b) {
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool vespid_starts_with(vespid_bytes bytes, vespid_bytes start) {
    return bytes.len >= start.len && memcmp(bytes.ptr, start.ptr, start.len) == 0;
}

vespid_bytes vespid_basename(vespid_bytes path) {
    size_t from = path.len;
    while (from > 0 && path.ptr[from - 1] != '/')
        from--;
    return (vespid_bytes){path.ptr + from, path.len - from};
}

vespid_bytes vespid_string(const vespid_batch *batch, uint32_t id) {
    const vespid_plugin_events_strings_t *strings = &batch->strings;
    if (id >= strings->ends.len)
        return (vespid_bytes){0, 0};
    uint32_t from = id ? strings->ends.ptr[id - 1] : 0, to = strings->ends.ptr[id];
    if (from > to || to > strings->blob.len)
        return (vespid_bytes){0, 0};
    return (vespid_bytes){strings->blob.ptr + from, to - from};
}

/* Text in the making. */

/* The daemon's limit on messages and fields is 4 KiB. */
#define MOST 4096

static void put(plugin_string_t *text, const uint8_t *bytes, size_t len) {
    if (len > MOST - text->len)
        len = MOST - text->len;
    text->ptr = demand(text->ptr, text->len + len);
    memcpy(text->ptr + text->len, bytes, len);
    text->len += len;
}

static void put_escaped(plugin_string_t *text, vespid_bytes bytes) {
    static const char digits[] = "0123456789abcdef";
    for (size_t at = 0; at < bytes.len; at++) {
        uint8_t byte = bytes.ptr[at];
        if (byte >= 0x20 && byte < 0x7f && byte != '\\') {
            put(text, &byte, 1);
        } else {
            const uint8_t escape[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
            if (MOST - text->len < sizeof escape)
                return;
            put(text, escape, sizeof escape);
        }
    }
}

static void put_number(plugin_string_t *text, uint64_t number) {
    uint8_t digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (uint8_t)('0' + number % 10);
    while (number /= 10);
    put(text, digits + at, sizeof digits - at);
}

static void format(plugin_string_t *to, const char *format, va_list values) {
    for (; *format; format++) {
        if (*format != '%' || !format[1]) {
            put(to, (const uint8_t *)format, 1);
            continue;
        }
        switch (*++format) {
        case 's': {
            vespid_bytes text = vespid_text(va_arg(values, const char *));
            put(to, text.ptr, text.len);
            break;
        }
        case 'b':
            put_escaped(to, *va_arg(values, const vespid_bytes *));
            break;
        case 'u':
            put_number(to, va_arg(values, uint64_t));
            break;
        default:
            put(to, (const uint8_t *)format, 1);
        }
    }
}

static plugin_string_t owned(const char *text) {
    plugin_string_t copy = {0, 0};
    put(&copy, (const uint8_t *)text, strlen(text));
    return copy;
}

void vespid_say(plugin_string_t *to, const char *text, ...) {
    va_list values;
    va_start(values, text);
    to->len = 0;
    format(to, text, values);
    va_end(values);
}

/* Reports. Lists grow as powers of two, which realloc does in place. */

vespid_verdict *vespid_verdict_add(vespid_report *report, const char *rule, uint8_t severity) {
    size_t at = report->verdicts.len++;
    report->verdicts.ptr = demand(report->verdicts.ptr, report->verdicts.len * sizeof(vespid_verdict));
    vespid_verdict *verdict = &report->verdicts.ptr[at];
    memset(verdict, 0, sizeof *verdict);
    verdict->rule = owned(rule);
    verdict->severity = severity;
    return verdict;
}

void vespid_about(vespid_verdict *verdict, uint8_t table, uint32_t row) {
    verdict->subject.is_some = true;
    verdict->subject.val.tag = table;
    verdict->subject.val.val.exec = row;
}

void vespid_tag(vespid_verdict *verdict, const char *tag) {
    size_t at = verdict->tags.len++;
    verdict->tags.ptr = demand(verdict->tags.ptr, verdict->tags.len * sizeof(plugin_string_t));
    verdict->tags.ptr[at] = owned(tag);
}

void vespid_field(vespid_verdict *verdict, const char *name, const char *text, ...) {
    size_t at = verdict->fields.len++;
    verdict->fields.ptr = demand(verdict->fields.ptr, verdict->fields.len * sizeof(plugin_tuple2_string_string_t));
    plugin_tuple2_string_string_t *field = &verdict->fields.ptr[at];
    field->f0 = owned(name);
    field->f1 = (plugin_string_t){0, 0};
    va_list values;
    va_start(values, text);
    format(&field->f1, text, values);
    va_end(values);
}

static uint32_t registered;

static size_t labels_of(const vespid_metric *metric) {
    size_t labels = 0;
    while (labels < VESPID_LABELS && metric->labels[labels])
        labels++;
    return labels;
}

void vespid_add(vespid_report *report, uint32_t *series, uint32_t metric, const char *const *labels, double value) {
    if (*series == VESPID_NEW) {
        size_t at = report->series.len++;
        report->series.ptr = demand(report->series.ptr, report->series.len * sizeof *report->series.ptr);
        size_t len = labels_of(&vespid_plugin.metrics[metric]);
        plugin_string_t *values = demand(0, len * sizeof *values);
        for (size_t label = 0; label < len; label++)
            values[label] = owned(labels[label]);
        report->series.ptr[at] = (vespid_plugin_reports_series_t){metric, {values, len}};
        *series = registered++;
    }
    size_t at = report->ids.len++;
    report->values.len++;
    report->ids.ptr = demand(report->ids.ptr, report->ids.len * sizeof *report->ids.ptr);
    report->values.ptr = demand(report->values.ptr, report->values.len * sizeof *report->values.ptr);
    report->ids.ptr[at] = *series;
    report->values.ptr[at] = value;
}

/* The configuration: just enough JSON to find a key of the outermost object. The daemon has parsed all of it before. */

static const uint8_t *skip_space(const uint8_t *at, const uint8_t *to) {
    while (at < to && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r' || *at == ',' || *at == ':'))
        at++;
    return at;
}

/* Behind the string that begins at `at`; its text, unescaped as far as \" \\ and \/ go, into `text` if it is not 0. */
static const uint8_t *string(const uint8_t *at, const uint8_t *to, vespid_bytes *text) {
    const uint8_t *from = ++at;
    while (at < to && *at != '"')
        at += *at == '\\' ? 2 : 1;
    if (at >= to)
        return to;
    if (text) {
        uint8_t *copy = demand(0, (size_t)(at - from));
        size_t len = 0;
        for (; from < at; from++) {
            from += *from == '\\';
            copy[len++] = *from;
        }
        *text = (vespid_bytes){copy, len};
    }
    return at + 1;
}

/* Behind the value that begins at `at`. */
static const uint8_t *skip(const uint8_t *at, const uint8_t *to) {
    uint32_t depth = 0;
    do {
        at = skip_space(at, to);
        if (at >= to)
            return to;
        if (*at == '"') {
            at = string(at, to, 0);
        } else if (*at == '[' || *at == '{') {
            depth++;
            at++;
        } else if (*at == ']' || *at == '}') {
            depth--;
            at++;
        } else {
            while (at < to && *at != ',' && *at != ']' && *at != '}' && *at != ' ' && *at != '\n')
                at++;
        }
    } while (depth);
    return at;
}

static const uint8_t *value_of(vespid_bytes config, const char *key) {
    const uint8_t *to = config.ptr + config.len;
    const uint8_t *at = skip_space(config.ptr, to);
    if (at >= to || *at++ != '{')
        return 0;
    for (at = skip_space(at, to); at < to && *at == '"'; at = skip_space(at, to)) {
        vespid_bytes found;
        at = skip_space(string(at, to, &found), to);
        if (vespid_equal(found, vespid_text(key)))
            return at;
        at = skip(at, to);
    }
    return 0;
}

bool vespid_config_has(vespid_bytes config, const char *key) {
    return value_of(config, key) != 0;
}

bool vespid_config_strings(vespid_bytes config, const char *key, vespid_list *list) {
    const uint8_t *to = config.ptr + config.len, *at = value_of(config, key);
    *list = (vespid_list){0, 0};
    if (!at)
        return true;
    if (*at++ != '[')
        return false;
    for (at = skip_space(at, to); at < to && *at == '"'; at = skip_space(at, to)) {
        list->ptr = demand(list->ptr, (list->len + 1) * sizeof *list->ptr);
        at = string(at, to, &list->ptr[list->len++]);
    }
    return at < to && *at == ']';
}

bool vespid_config_number(vespid_bytes config, const char *key, uint64_t *value) {
    const uint8_t *to = config.ptr + config.len, *at = value_of(config, key);
    if (!at)
        return true;
    uint64_t number = 0;
    const uint8_t *from = at;
    for (; at < to && *at >= '0' && *at <= '9'; at++) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (at == from || (at < to && (*at == '.' || *at == 'e' || *at == 'E')))
        return false;
    *value = number;
    return true;
}

/* What the daemon calls. */

void exports_vespid_plugin_guest_describe(exports_vespid_plugin_guest_manifest_t *ret) {
    const vespid_plugin_definition *plugin = &vespid_plugin;
    memset(ret, 0, sizeof *ret);
    ret->name = owned(plugin->name);
    ret->version = owned(plugin->version);
    ret->description = owned(plugin->description);
    ret->subscription = plugin->tables;
    ret->state_version = plugin->state_version;
    ret->look_back = plugin->look_back;
    if (plugin->schema) {
        ret->config_schema.len = strlen(plugin->schema);
        ret->config_schema.ptr = demand(0, ret->config_schema.len);
        memcpy(ret->config_schema.ptr, plugin->schema, ret->config_schema.len);
    }
    ret->metrics.len = plugin->metrics_len;
    ret->metrics.ptr = demand(0, plugin->metrics_len * sizeof *ret->metrics.ptr);
    for (size_t at = 0; at < plugin->metrics_len; at++) {
        const vespid_metric *from = &plugin->metrics[at];
        vespid_plugin_describe_metric_t *to = &ret->metrics.ptr[at];
        memset(to, 0, sizeof *to);
        to->name = owned(from->name);
        to->help = owned(from->help);
        to->kind = from->kind;
        to->labels.len = labels_of(from);
        to->labels.ptr = demand(0, to->labels.len * sizeof(plugin_string_t));
        for (size_t label = 0; label < to->labels.len; label++)
            to->labels.ptr[label] = owned(from->labels[label]);
    }
}

/* The configuration is not freed: what init remembers of it stays good. */
bool exports_vespid_plugin_guest_init(plugin_string_t *config, plugin_string_t *err) {
    if (!vespid_plugin.init)
        return true;
    const char *wrong = vespid_plugin.init((vespid_bytes){config->ptr, config->len});
    if (wrong)
        *err = owned(wrong);
    return !wrong;
}

void exports_vespid_plugin_guest_filters(vespid_filters *ret) {
    *ret = vespid_plugin.filters ? vespid_plugin.filters() : (vespid_filters){0, 0};
}

bool exports_vespid_plugin_guest_on_batch(exports_vespid_plugin_guest_batch_t *batch,
                                          exports_vespid_plugin_guest_report_t *ret, plugin_string_t *err) {
    (void)err;
    memset(ret, 0, sizeof *ret);
    if (vespid_plugin.on_batch)
        vespid_plugin.on_batch(batch, ret);
    exports_vespid_plugin_guest_batch_free(batch);
    return true;
}

bool exports_vespid_plugin_guest_tick(uint64_t now, exports_vespid_plugin_guest_report_t *ret, plugin_string_t *err) {
    (void)err;
    memset(ret, 0, sizeof *ret);
    if (vespid_plugin.tick)
        vespid_plugin.tick(now, ret);
    return true;
}

void exports_vespid_plugin_guest_snapshot(plugin_list_u8_t *ret) {
    *ret = vespid_plugin.snapshot ? vespid_plugin.snapshot() : (plugin_list_u8_t){0, 0};
}

exports_vespid_plugin_guest_restored_t exports_vespid_plugin_guest_restore(uint32_t version, plugin_list_u8_t *state) {
    vespid_bytes bytes = {state->ptr, state->len};
    bool is_warm = vespid_plugin.restore ? vespid_plugin.restore(version, bytes) : state->len == 0;
    plugin_list_u8_free(state);
    return is_warm ? EXPORTS_VESPID_PLUGIN_GUEST_RESTORED_WARM : EXPORTS_VESPID_PLUGIN_GUEST_RESTORED_COLD;
}

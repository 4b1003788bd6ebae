#ifndef MOECOSIM_RECORDS_H
#define MOECOSIM_RECORDS_H

#include <cstdint>

namespace moecosim {

// The little-endian records of a stream file, in the order in which they lie in it: one FileHeader,
// units x units of uint64_t (signal latency in ps, from the row's unit to the column's), then the
// tables of LaneRecord, EventRecord and AccessRecord. Nothing lies between them.

struct FileHeader {
    char magic[8];  // "MOECOSIM"
    uint32_t version;
    uint32_t units;  // of the whole machine
    uint32_t lanes;  // of this device
    uint32_t tokens;  // of the whole program
    uint64_t events;
    uint64_t accesses;
    uint64_t reserved;
};
static_assert(sizeof(FileHeader) == 48, "the layout of a stream file is fixed");

struct LaneRecord {
    uint32_t unit;  // row and column of the latency table
    uint32_t lane;  // id in the machine, for messages
    uint64_t window_bytes;  // that one event of the lane may have outstanding
    uint64_t first_event;
    uint64_t events;
};
static_assert(sizeof(LaneRecord) == 32, "the layout of a stream file is fixed");

enum class Kind : uint8_t { compute = 0, stream = 1, copy = 2, signal = 3, wait = 4 };

struct EventRecord {
    Kind kind;
    uint8_t pad;
    uint16_t lane;
    uint32_t tag;
    uint64_t setup_ps;
    uint64_t busy_ps;
    uint32_t first_access;
    uint32_t accesses;
    uint32_t token;
    uint32_t count;  // signals a wait waits for; of a stream: how many events of the program it stands for, if several
};
static_assert(sizeof(EventRecord) == 40, "the layout of a stream file is fixed");

struct AccessRecord {
    uint64_t address;
    uint64_t bytes;
    uint32_t block_bytes;  // contiguous run length, 0: the whole range
    uint8_t is_write;
    uint8_t what;
    uint16_t begins_part;  // 1: the first of one of the events that a kernel stands for
};
static_assert(sizeof(AccessRecord) == 24, "the layout of a stream file is fixed");

// One row of a timeline file, in the order of the events; -1 for what never happened.
struct TimelineRecord {
    int64_t start_ps;
    int64_t end_ps;
};
static_assert(sizeof(TimelineRecord) == 16, "the layout of a timeline file is fixed");

}  // namespace moecosim

#endif

#ifndef MOECOSIM_FLOW_H
#define MOECOSIM_FLOW_H

#include <algorithm>
#include <cstdint>

#include "way.h"

namespace moecosim {

// One access of a stream, or one pair of a copy, as it goes on: which bytes it asks for next, and
// how many it has under way.
struct Flow {
    uint64_t next;  // address of the byte it asks for next
    uint64_t end;
    uint64_t to_target;  // of a copy: what to add to a source address (modulo 2^64) to get its target
    uint64_t under_way;  // bytes
    uint64_t credit;  // bytes it may have under way; always at least one request
    Way* source;  // of its requests; of a copy's reads
    Way* target;  // of a copy's writes
    Way* arbiter;  // at which it waits for its turn
    Way::Direction direction;
    uint32_t lane;
    uint32_t source_block;  // length of its contiguous blocks
    uint32_t target_block;
    bool is_write;
    bool is_copy;
    bool is_part;  // of a kernel whose parts follow each other

    // Bytes of the request it may send now, up to the next line boundary; 0: none.
    uint64_t sendable(uint64_t line_bytes) const {
        const uint64_t bytes = std::min(line_bytes - next % line_bytes, end - next);
        return under_way > 0 && under_way + bytes > credit ? 0 : bytes;
    }
};

}  // namespace moecosim

#endif

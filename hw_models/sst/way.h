#ifndef MOECOSIM_WAY_H
#define MOECOSIM_WAY_H

#include <sst/core/interfaces/stdMem.h>
#include <sst/core/link.h>

#include <cstdint>

#include "fair_queue.h"

namespace moecosim {

// One line-sized request.
struct Packet {
    uint64_t address;
    uint64_t bytes;
    uint32_t block_bytes;  // length of the contiguous blocks of the access it belongs to
    uint32_t request_id;
    uint32_t flow;
    bool is_write;
};

// A core's way to memory. With a rate, it is the arbiter of a port: it lets go reads no faster than
// their data can come in and writes no faster than theirs can go out, and flows take turns. Without,
// a flow of writes would fill the network interface's queue, and all else wait behind it.
class Way {
public:
    using StandardMem = SST::Interfaces::StandardMem;

    // `bytes_per_s` of each direction, 0: no limit. `wakes` is a self link in ps, back to `wake`.
    void set(StandardMem* memory, double bytes_per_s, SST::Link* wakes);

    StandardMem* memory() const { return memory_; }
    void send(const Packet& packet, uint64_t now_ps);
    void wake(uint32_t direction, uint64_t now_ps);

    uint64_t requests() const { return requests_; }
    uint64_t read_bytes() const { return read_bytes_; }
    uint64_t written_bytes() const { return written_bytes_; }

private:
    struct Direction {
        uint64_t free = 0;  // in 1/1024 ps, so that rounding does not add up
        bool will_wake = false;
        FairQueue<Packet> waiting;
    };

    void serve(uint32_t direction, uint64_t now_ps);
    void hand_over(const Packet& packet);

    StandardMem* memory_ = nullptr;
    SST::Link* wakes_ = nullptr;
    double fine_per_byte_ = 0;
    Direction directions_[2];  // reads, writes
    uint64_t requests_ = 0;
    uint64_t read_bytes_ = 0;
    uint64_t written_bytes_ = 0;
};

}  // namespace moecosim

#endif

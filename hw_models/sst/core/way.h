#ifndef MOECOSIM_WAY_H
#define MOECOSIM_WAY_H

#include <sst/core/interfaces/stdMem.h>
#include <sst/core/link.h>

#include <cstdint>

#include "fair_queue.h"

namespace moecosim {

class Way;

// One line-sized request.
struct Packet {
    Way* way;  // it goes
    uint64_t address;
    uint64_t bytes;
    uint32_t block_bytes;  // length of the contiguous blocks of the access it belongs to
    uint32_t request_id;
    uint32_t lane;  // of all cores
    bool is_write;
};

// A core's way to memory. With a rate, it is also the arbiter of a port: it lets go requests no faster
// than their data can come in, or go out, and flows take turns. Without, a flow of writes would fill
// the network interface's queue, and all else wait behind it.
class Way {
public:
    using StandardMem = SST::Interfaces::StandardMem;

    enum Direction : uint32_t { in = 0, out = 1 };  // in which data goes

    // `bytes_per_s` of each direction, 0: no limit. `wakes` is a self link in ps, back to `wake`, with an
    // index that holds the way's `number` and the direction.
    void set(StandardMem* memory, double bytes_per_s, SST::Link* wakes, uint32_t number);

    StandardMem* memory() const { return memory_; }
    bool is_arbiter() const { return fine_per_byte_ > 0; }

    // Sends the request when it is the flow's turn. The request may go another way: the reads of a
    // copy into the port wait for room to write what they bring.
    void send_in_turn(const Packet& packet, Direction direction, uint32_t flow, uint64_t now_ps);
    void send(const Packet& packet);
    void wake(uint32_t direction, uint64_t now_ps);

    static uint32_t number_of(uint32_t wake) { return wake / 2; }
    static uint32_t direction_of(uint32_t wake) { return wake % 2; }

    uint64_t requests() const { return requests_; }
    uint64_t read_bytes() const { return read_bytes_; }
    uint64_t written_bytes() const { return written_bytes_; }

private:
    struct Port {
        uint64_t free = 0;  // in 1/1024 ps, so that rounding does not add up
        bool will_wake = false;
        FairQueue<Packet> waiting;
    };

    void serve(uint32_t direction, uint64_t now_ps);

    StandardMem* memory_ = nullptr;
    SST::Link* wakes_ = nullptr;
    uint32_t number_ = 0;
    double fine_per_byte_ = 0;
    Port ports_[2];
    uint64_t requests_ = 0;
    uint64_t read_bytes_ = 0;
    uint64_t written_bytes_ = 0;
};

}  // namespace moecosim

#endif

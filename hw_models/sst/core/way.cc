#include "way.h"

#include <algorithm>
#include <cmath>

#include "index_event.h"

namespace moecosim {

static constexpr uint64_t FINE = 1024;  // per ps

static constexpr auto NONCACHEABLE = SST::Interfaces::StandardMem::Request::flags_t(
    SST::Interfaces::StandardMem::Request::Flag::F_NONCACHEABLE);

void Way::set(StandardMem* memory, double bytes_per_s, SST::Link* wakes, uint32_t number) {
    memory_ = memory;
    fine_per_byte_ = bytes_per_s > 0 ? 1e12 * FINE / bytes_per_s : 0;
    wakes_ = wakes;
    number_ = number;
}

void Way::send_in_turn(const Packet& packet, Direction direction, uint32_t flow, uint64_t now_ps) {
    if (!is_arbiter()) {
        packet.way->send(packet);
        return;
    }
    Port& port = ports_[direction];
    if (port.waiting.empty()) port.free = std::max(port.free, now_ps * FINE);
    port.waiting.push(flow, packet);
    if (!port.will_wake) serve(direction, now_ps);
}

void Way::wake(uint32_t direction, uint64_t now_ps) { serve(direction, now_ps); }

void Way::serve(uint32_t direction, uint64_t now_ps) {
    Port& port = ports_[direction];
    while (!port.waiting.empty() && port.free <= now_ps * FINE) {
        const Packet packet = port.waiting.pop();
        port.free += uint64_t(std::llround(double(packet.bytes) * fine_per_byte_));
        packet.way->send(packet);
    }
    port.will_wake = !port.waiting.empty();
    if (port.will_wake)
        wakes_->send((port.free - now_ps * FINE + FINE - 1) / FINE, new IndexEvent(2 * number_ + direction));
}

// The length of the access's blocks travels where a processor would put its instruction pointer, and who
// asks where it would put the virtual address.
void Way::send(const Packet& packet) {
    ++requests_;
    if (packet.is_write) {
        // No data: the interface puts zeros of the right length in their place.
        written_bytes_ += packet.bytes;
        memory_->send(new StandardMem::Write(packet.address, packet.bytes, {}, false, NONCACHEABLE, packet.lane,
                                             packet.block_bytes, packet.request_id));
    } else {
        read_bytes_ += packet.bytes;
        memory_->send(new StandardMem::Read(packet.address, packet.bytes, NONCACHEABLE, packet.lane,
                                            packet.block_bytes, packet.request_id));
    }
}

}  // namespace moecosim

#include "way.h"

#include <algorithm>
#include <cmath>

#include "index_event.h"

namespace moecosim {

static constexpr uint64_t FINE = 1024;  // per ps

static constexpr auto NONCACHEABLE = SST::Interfaces::StandardMem::Request::flags_t(
    SST::Interfaces::StandardMem::Request::Flag::F_NONCACHEABLE);

void Way::set(StandardMem* memory, double bytes_per_s, SST::Link* wakes) {
    memory_ = memory;
    fine_per_byte_ = bytes_per_s > 0 ? 1e12 * FINE / bytes_per_s : 0;
    wakes_ = wakes;
}

void Way::send(const Packet& packet, uint64_t now_ps) {
    if (fine_per_byte_ == 0) {
        hand_over(packet);
        return;
    }
    const uint32_t index = packet.is_write ? 1 : 0;
    Direction& direction = directions_[index];
    if (direction.waiting.empty()) direction.free = std::max(direction.free, now_ps * FINE);
    direction.waiting.push(packet.flow, packet);
    if (!direction.will_wake) serve(index, now_ps);
}

void Way::wake(uint32_t index, uint64_t now_ps) { serve(index, now_ps); }

void Way::serve(uint32_t index, uint64_t now_ps) {
    Direction& direction = directions_[index];
    while (!direction.waiting.empty() && direction.free <= now_ps * FINE) {
        const Packet packet = direction.waiting.pop();
        direction.free += uint64_t(std::llround(double(packet.bytes) * fine_per_byte_));
        hand_over(packet);
    }
    direction.will_wake = !direction.waiting.empty();
    if (direction.will_wake)
        wakes_->send((direction.free - now_ps * FINE + FINE - 1) / FINE, new IndexEvent(index));
}

// The length of the access's blocks travels where a processor would put its instruction pointer.
void Way::hand_over(const Packet& packet) {
    ++requests_;
    if (packet.is_write) {
        // No data: the interface puts zeros of the right length in their place.
        written_bytes_ += packet.bytes;
        memory_->send(new StandardMem::Write(packet.address, packet.bytes, {}, false, NONCACHEABLE, 0,
                                             packet.block_bytes, packet.request_id));
    } else {
        read_bytes_ += packet.bytes;
        memory_->send(new StandardMem::Read(packet.address, packet.bytes, NONCACHEABLE, 0, packet.block_bytes,
                                            packet.request_id));
    }
}

}  // namespace moecosim

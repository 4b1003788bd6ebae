#include "shared_crossbar.h"

#include <algorithm>

namespace moecosim {

void SharedCrossbar::setPorts(int num_ports, int num_vcs) {
    next_.assign(size_t(num_ports), 0);
    num_vcs_ = num_vcs;
}

void SharedCrossbar::arbitrate(SST::Merlin::PortInterface** ports, int* in_port_busy, int* out_port_busy,
                               int* progress) {
    std::fill(progress, progress + next_.size(), -1);
    if (busy_ > 0 && --busy_ > 0) return;
    int first = -1;
    for (size_t port = 0; port < next_.size(); ++port) {
        if (first >= 0 && std::max(next_[port], reached_) >= std::max(next_[size_t(first)], reached_)) continue;
        const int vc = ready(ports, int(port));
        if (vc < 0) continue;
        if (first >= 0) progress[first] = -1;
        first = int(port);
        progress[first] = vc;
    }
    if (first < 0) return;
    SST::Merlin::internal_router_event* event = ports[first]->getVCHeads()[progress[first]];
    const int flits = event->getFlitCount();
    in_port_busy[first] = out_port_busy[event->getNextPort()] = flits;
    busy_ = SST::Cycle_t(flits);
    reached_ = std::max(next_[size_t(first)], reached_);
    next_[size_t(first)] = reached_ + busy_;
}

// The port's first channel whose packet has room where it goes, or -1.
int SharedCrossbar::ready(SST::Merlin::PortInterface** ports, int port) const {
    SST::Merlin::internal_router_event** heads = ports[port]->getVCHeads();
    for (int vc = 0; vc < num_vcs_; ++vc) {
        SST::Merlin::internal_router_event* event = heads[vc];
        if (event != nullptr && ports[event->getNextPort()]->spaceToSend(event->getVC(), event->getFlitCount()))
            return vc;
    }
    return -1;
}

void SharedCrossbar::reportSkippedCycles(SST::Cycle_t cycles) { busy_ -= std::min(busy_, cycles); }

void SharedCrossbar::serialize_order(SST::Core::Serialization::serializer& ser) {
    XbarArbitration::serialize_order(ser);
    SST_SER(next_);
    SST_SER(num_vcs_);
    SST_SER(busy_);
    SST_SER(reached_);
}

}  // namespace moecosim

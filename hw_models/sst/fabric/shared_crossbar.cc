#include "shared_crossbar.h"

#include <algorithm>
#include <numeric>

namespace moecosim {

void SharedCrossbar::setPorts(int num_ports, int num_vcs) {
    turns_.resize(size_t(num_ports));
    std::iota(turns_.begin(), turns_.end(), 0);
    num_vcs_ = num_vcs;
}

void SharedCrossbar::arbitrate(SST::Merlin::PortInterface** ports, int* in_port_busy, int* out_port_busy,
                               int* progress) {
    std::fill(progress, progress + turns_.size(), -1);
    if (busy_ > 0 && --busy_ > 0) return;
    for (auto turn = turns_.begin(); turn != turns_.end(); ++turn) {
        const int port = *turn;
        SST::Merlin::internal_router_event** heads = ports[port]->getVCHeads();
        for (int vc = 0; vc < num_vcs_; ++vc) {
            SST::Merlin::internal_router_event* event = heads[vc];
            if (event == nullptr) continue;
            const int flits = event->getFlitCount();
            if (!ports[event->getNextPort()]->spaceToSend(event->getVC(), flits)) continue;
            progress[port] = vc;
            in_port_busy[port] = out_port_busy[event->getNextPort()] = flits;
            busy_ = SST::Cycle_t(flits);
            std::rotate(turn, turn + 1, turns_.end());
            return;
        }
    }
}

void SharedCrossbar::reportSkippedCycles(SST::Cycle_t cycles) { busy_ -= std::min(busy_, cycles); }

void SharedCrossbar::serialize_order(SST::Core::Serialization::serializer& ser) {
    XbarArbitration::serialize_order(ser);
    SST_SER(turns_);
    SST_SER(num_vcs_);
    SST_SER(busy_);
}

}  // namespace moecosim

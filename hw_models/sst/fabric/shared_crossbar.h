#ifndef MOECOSIM_SHARED_CROSSBAR_H
#define MOECOSIM_SHARED_CROSSBAR_H

#include <vector>

#include "quiet_router.h"

namespace moecosim {

// Crossbar arbitration of a switch whose rate all traffic shares: one packet crosses at a time, at the
// router's xbar_bw. Ports share it by flits (start-time fair queueing), so that short requests do not
// use up the turns of those that send lines. (merlin's own arbiters let every pair of ports work at
// xbar_bw.)
class SharedCrossbar : public SST::Merlin::XbarArbitration {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(SharedCrossbar, "moecosim", "SharedCrossbar", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "One packet crosses at a time: all ports share xbar_bw",
                                  SST::Merlin::XbarArbitration)

    SharedCrossbar(SST::ComponentId_t id, SST::Params&) : XbarArbitration(id) {}
    SharedCrossbar() = default;

    void setPorts(int num_ports, int num_vcs) override;
    void arbitrate(SST::Merlin::PortInterface** ports, int* in_port_busy, int* out_port_busy, int* progress) override;
    void reportSkippedCycles(SST::Cycle_t cycles) override;

    void serialize_order(SST::Core::Serialization::serializer& ser) override;
    ImplementSerializable(moecosim::SharedCrossbar)

private:
    int ready(SST::Merlin::PortInterface** ports, int port) const;

    std::vector<SST::Cycle_t> next_;  // of each port, when its next packet's turn is, in cycles of crossing
    SST::Cycle_t reached_ = 0;        // turn of the last packet that crossed
    int num_vcs_ = 0;
    SST::Cycle_t busy_ = 0;  // cycles until the packet that crosses is over
};

}  // namespace moecosim

#endif

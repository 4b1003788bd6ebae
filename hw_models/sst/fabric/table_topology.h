#ifndef MOECOSIM_TABLE_TOPOLOGY_H
#define MOECOSIM_TABLE_TOPOLOGY_H

#include <string>
#include <utility>
#include <vector>

#include "quiet_router.h"

namespace moecosim {

// One router of a network of any shape. Packets go where the table says, the same way always; where
// the ways of all tables form trees, as ours do, no packets can wait for each other in a circle. One
// virtual channel for each virtual network.
class TableTopology : public SST::Merlin::Topology {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(TableTopology, "moecosim", "TableTopology", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "Static routing by a table, for networks of any shape", SST::Merlin::Topology)
    SST_ELI_DOCUMENT_PARAMS(
        {"endpoints", "(array) of each port the endpoint there, -1 where another router is", NULL},
        {"routes", "(array) of each endpoint of the network, from 0, the port towards it", NULL},
        {"flood", "(array) ports to routers over which broadcasts before the run go: with all routers' a tree", "[]"})

    TableTopology(SST::ComponentId_t id, SST::Params& params, int num_ports, int router, int num_vns);
    TableTopology() = default;

    void route_packet(int port, int vc, SST::Merlin::internal_router_event* event) override;
    SST::Merlin::internal_router_event* process_input(SST::Merlin::RtrEvent* event) override;
    SST::Merlin::internal_router_event* process_UntimedData_input(SST::Merlin::RtrEvent* event) override;
    void routeUntimedData(int port, SST::Merlin::internal_router_event* event, std::vector<int>& ports) override;
    PortState getPortState(int port) const override;
    // Ports to routers are groups of one, "port3", so that each may have a rate and buffers of its own.
    std::string getPortLogicalGroup(int port) const override;
    int getEndpointID(int port) override { return endpoints_[size_t(port)]; }
    std::pair<int, int> getDeliveryPortForEndpointID(int endpoint) override;
    void getVCsPerVN(std::vector<int>& counts) override { counts.assign(size_t(num_vns_), 1); }

    void serialize_order(SST::Core::Serialization::serializer& ser) override;
    ImplementSerializable(moecosim::TableTopology)

private:
    int router_ = 0;
    int num_vns_ = 0;
    std::vector<int> endpoints_;
    std::vector<int> routes_;
    std::vector<int> flood_;
};

}  // namespace moecosim

#endif

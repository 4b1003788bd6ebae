#include "table_topology.h"

#include <algorithm>

namespace moecosim {

using SST::Merlin::internal_router_event;
using SST::Merlin::RtrEvent;

TableTopology::TableTopology(SST::ComponentId_t id, SST::Params& params, int num_ports, int router, int num_vns)
    : Topology(id), router_(router), num_vns_(num_vns) {
    params.find_array<int>("endpoints", endpoints_);
    params.find_array<int>("routes", routes_);
    params.find_array<int>("flood", flood_);
    const auto is_port = [num_ports](int port) { return port >= 0 && port < num_ports; };
    const bool is_whole = int(endpoints_.size()) == num_ports && std::all_of(routes_.begin(), routes_.end(), is_port) &&
                          std::all_of(flood_.begin(), flood_.end(), is_port);
    bool leads_home = true;
    for (size_t port = 0; port < endpoints_.size(); ++port) {
        const int endpoint = endpoints_[port];
        if (endpoint >= 0) leads_home = leads_home && endpoint < int(routes_.size()) && routes_[size_t(endpoint)] == int(port);
    }
    if (!is_whole || !leads_home)
        output.fatal(CALL_INFO, 1, "%s: 'endpoints' needs an entry for each port, 'routes' and 'flood' name ports, and "
                     "the route of an endpoint here its own\n", getName().c_str());
}

void TableTopology::route_packet(int, int, internal_router_event* event) {
    event->setNextPort(routes_[size_t(event->getDest())]);
}

internal_router_event* TableTopology::process_input(RtrEvent* event) {
    auto* inside = new internal_router_event(event);
    inside->setVC(inside->getVN());
    return inside;
}

internal_router_event* TableTopology::process_UntimedData_input(RtrEvent* event) {
    return new internal_router_event(event);
}

void TableTopology::routeUntimedData(int port, internal_router_event* event, std::vector<int>& ports) {
    if (event->getDest() != SST::Merlin::UNTIMED_BROADCAST_ADDR) {
        route_packet(port, 0, event);
        ports.push_back(event->getNextPort());
        return;
    }
    for (size_t other = 0; other < endpoints_.size(); ++other)
        if (endpoints_[other] >= 0 && int(other) != port) ports.push_back(int(other));
    for (const int other : flood_)
        if (other != port) ports.push_back(other);
}

SST::Merlin::Topology::PortState TableTopology::getPortState(int port) const {
    return endpoints_[size_t(port)] >= 0 ? R2N : R2R;
}

std::string TableTopology::getPortLogicalGroup(int port) const {
    return endpoints_[size_t(port)] >= 0 ? "" : "port" + std::to_string(port);
}

std::pair<int, int> TableTopology::getDeliveryPortForEndpointID(int endpoint) {
    const auto found = std::find(endpoints_.begin(), endpoints_.end(), endpoint);
    if (found == endpoints_.end()) return {-1, -1};
    return {router_, int(found - endpoints_.begin())};
}

void TableTopology::serialize_order(SST::Core::Serialization::serializer& ser) {
    Topology::serialize_order(ser);
    SST_SER(router_);
    SST_SER(num_vns_);
    SST_SER(endpoints_);
    SST_SER(routes_);
    SST_SER(flood_);
}

}  // namespace moecosim

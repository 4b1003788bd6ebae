#include "flit_control.h"

#include <sst/elements/memHierarchy/memEvent.h>
#include <sst/elements/memHierarchy/memNICBase.h>

#include <algorithm>
#include <cmath>

#include "index_event.h"

namespace moecosim {

using SST::ComponentInfo;
using SST::MemHierarchy::BasicCommandClass;
using SST::MemHierarchy::MemEvent;
using SST::MemHierarchy::MemNICBase;

static constexpr uint64_t FINE = 1024;  // per ps
static constexpr uint32_t LINE_BYTES = 64;

FlitControl::FlitControl(SST::ComponentId_t id, SST::Params& params, int networks)
    : SimpleNetwork(id), output_("moecosim: ", 0, 0, SST::Output::STDERR), ps_(getTimeConverter("1ps")) {
    if (networks != 1) refuse("only one virtual network can be carried");
    const auto requests = params.find<std::string>("requests", "");
    if (requests != "out" && requests != "in") refuse("parameter 'requests' must be 'out' or 'in'");
    to_memory_ = requests == "out" ? out : in;
    read_rules(params);

    SST::Params below;
    below.insert("port_name", "port");
    for (const char* name : {"link_bw", "input_buf_size", "output_buf_size"})
        below.insert(name, params.find<std::string>(name, ""));
    below_ = loadAnonymousSubComponent<SimpleNetwork>("merlin.linkcontrol", "below", 0,
                                                      ComponentInfo::SHARE_PORTS | ComponentInfo::INSERT_STATS, below,
                                                      networks);
    if (below_ == nullptr) refuse("merlin.linkcontrol could not be loaded");
    below_->setNotifyOnReceive(new Handler<FlitControl, &FlitControl::on_arrival>(this));
    below_->setNotifyOnSend(new Handler<FlitControl, &FlitControl::drain>(this));
    flits_ = configureSelfLink("flits", ps_, new SST::Event::Handler<FlitControl, &FlitControl::on_flit>(this));
    credits_ = configureSelfLink("credits", ps_, new SST::Event::Handler<FlitControl, &FlitControl::on_credit>(this));
    int index = 0;
    for (const char* name : {"flits_to_memory", "slots_to_memory", "flits_from_memory", "slots_from_memory", "credit_waits"})
        statistics_[index++] = registerStatistic<uint64_t>(name);
}

void FlitControl::refuse(const std::string& why) {
    output_.fatal(CALL_INFO, 1, "%s: %s\n", getName().c_str(), why.c_str());
    std::abort();
}

void FlitControl::read_rules(SST::Params& params) {
    const SST::UnitAlgebra lanes(params.find<std::string>("lanes", "0B/s"));
    const auto flit_bytes = params.find<uint32_t>("flit_bytes", 0);
    FlitRules common{};
    common.slots = params.find<uint32_t>("slots", 0);
    if (!lanes.hasUnits("B/s") || lanes.getDoubleValue() <= 0 || flit_bytes == 0 || common.slots == 0 || common.slots > 32)
        refuse("'lanes' must be a rate in B/s, 'flit_bytes' and 'slots' numbers above 0");
    flit_fine_ = uint64_t(std::llround(flit_bytes * 1e12 * FINE / lanes.getDoubleValue()));
    common.all_data = params.find<bool>("all_data", false);
    std::vector<uint32_t> header_only, most;
    params.find_array<uint32_t>("header_only", header_only);
    params.find_array<uint32_t>("most", most);
    for (uint32_t slot : header_only) common.header_only |= 1u << slot;
    most.resize(4, 0);
    for (uint32_t& each : most)
        if (each == 0) each = UINT16_MAX;

    FlitRules to = common, from = common;
    to.per_slot[LinkMessage::bare] = to.per_slot[LinkMessage::with_data] = 1;
    to.most[LinkMessage::bare] = most[0];
    to.most[LinkMessage::with_data] = most[1];
    from.per_slot[LinkMessage::bare] = params.find<uint32_t>("ndr_per_slot", 1);
    from.per_slot[LinkMessage::with_data] = params.find<uint32_t>("drs_per_slot", 1);
    from.rides = from.per_slot[LinkMessage::with_data] == 1 ? params.find<uint32_t>("ndr_with_drs", 0) : 0;
    from.most[LinkMessage::bare] = most[2];
    from.most[LinkMessage::with_data] = most[3];

    const auto credits = params.find<uint32_t>("credits", 0);
    has_credits_ = credits > 0;
    credit_return_ps_ = uint64_t(
        (SST::UnitAlgebra(params.find<std::string>("credit_return", "0ps")) / SST::UnitAlgebra("1ps")).getRoundedValue());
    directions_[to_memory_].packer.set(to, credits);
    directions_[1 - to_memory_].packer.set(from, 0);
}

// -- messages ---------------------------------------------------------------------------------

// Requests take turns by stream for the credits. What they brought back leaves in order of arrival: credits bound how
// much of it can be there; without them, turns do.

LinkMessage FlitControl::message_of(Request* request, bool in_order) {
    auto* carried = static_cast<MemNICBase::MemRtrEvent*>(request->inspectPayload());
    auto* event = dynamic_cast<MemEvent*>(carried->inspectEvent());
    if (event == nullptr) refuse("an event that is no MemEvent is to cross the link");
    const uint32_t bytes = std::max<uint32_t>(event->getSize(), uint32_t(event->getPayloadSize()));
    const auto kind = event->getPayloadSize() > 0 ? LinkMessage::with_data : LinkMessage::bare;
    const uint32_t stream = in_order ? 0 : streams_.emplace(event->getThreadID(), uint32_t(streams_.size())).first->second;
    return {request, kind, stream, std::max(1u, (bytes + LINE_BYTES - 1) / LINE_BYTES)};
}

bool FlitControl::send(Request* request, int network) {
    request->vn = network;
    carry(out, request);
    return true;
}

bool FlitControl::on_arrival(int network) {
    while (Request* request = below_->recv(network)) carry(in, request);
    return true;
}

void FlitControl::carry(Way way, Request* request) {
    directions_[way].packer.add(message_of(request, way != to_memory_ && has_credits_));
    if (!directions_[way].is_busy) start(way);
}

// -- flits ------------------------------------------------------------------------------------

void FlitControl::start(Way way) {
    Direction& direction = directions_[way];
    direction.is_busy = direction.packer.fill(direction.complete);
    if (!direction.is_busy) return;
    const uint64_t now = getCurrentSimTime(ps_);
    direction.free = std::max(direction.free, now * FINE) + flit_fine_;
    flits_->send((direction.free - now * FINE + FINE / 2) / FINE, new IndexEvent(way));
}

void FlitControl::on_flit(SST::Event* event) {
    const auto way = Way(static_cast<IndexEvent*>(event)->index);
    delete event;
    std::vector<void*> complete;
    complete.swap(directions_[way].complete);
    start(way);
    for (void* packet : complete) hand_on(way, static_cast<Request*>(packet));
}

void FlitControl::hand_on(Way way, Request* request) {
    if (way != to_memory_ && has_credits_) give_back(message_of(request, true));
    if (way == out) {
        leaving_.push(request);
        drain(0);
    } else {
        received_.push(request);
        (*on_receive_)(0);
    }
}

bool FlitControl::drain(int) {
    while (!leaving_.empty() && below_->spaceToSend(0, int(leaving_.front()->size_in_bits)) &&
           below_->send(leaving_.front(), 0))
        leaving_.pop();
    return true;
}

SST::Interfaces::SimpleNetwork::Request* FlitControl::recv(int) {
    if (received_.empty()) return nullptr;
    Request* request = received_.front();
    received_.pop();
    return request;
}

// -- credits ----------------------------------------------------------------------------------

// Data that come are the answer to a Req, an answer without is one to an RwD.
void FlitControl::give_back(const LinkMessage& answer) {
    const bool is_write = answer.kind == LinkMessage::bare;
    credits_->send(credit_return_ps_, new IndexEvent(2 * answer.lines + (is_write ? 1 : 0)));
}

void FlitControl::on_credit(SST::Event* event) {
    const uint32_t said = static_cast<IndexEvent*>(event)->index;
    delete event;
    Direction& direction = directions_[to_memory_];
    direction.packer.return_credits(said % 2 ? LinkMessage::with_data : LinkMessage::bare, said / 2);
    if (!direction.is_busy) start(to_memory_);
}

void FlitControl::finish() {
    const FlitPacker& to = directions_[to_memory_].packer;
    const FlitPacker& from = directions_[1 - to_memory_].packer;
    const uint64_t counts[] = {to.flits(), to.used_slots(), from.flits(), from.used_slots(), to.credit_waits()};
    for (int index = 0; index < 5; ++index) statistics_[index]->addData(counts[index]);
    below_->finish();
}

}  // namespace moecosim

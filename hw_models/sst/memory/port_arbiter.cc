#include "port_arbiter.h"

#include <sst/elements/memHierarchy/memEvent.h>

#include <algorithm>
#include <cmath>

#include "index_event.h"

namespace moecosim {

using SST::MemHierarchy::Command;
using SST::MemHierarchy::MemEvent;

static constexpr uint64_t FINE = 1024;  // per ps

PortArbiter::PortArbiter(SST::ComponentId_t id, SST::Params& params)
    : Component(id),
      output_("moecosim: ", 0, 0, SST::Output::STDERR),
      ps_(registerTimeBase("1ps", true)) {
    const SST::UnitAlgebra bandwidth(params.find<std::string>("bandwidth", "0B/s"));
    if (!bandwidth.hasUnits("B/s") || bandwidth.getDoubleValue() <= 0)
        output_.fatal(CALL_INFO, 1, "%s: parameter 'bandwidth' must be a rate in B/s\n", getName().c_str());
    fine_per_byte_ = 1e12 * FINE / bandwidth.getDoubleValue();
    outside_ = link("outside", new SST::Event::Handler<PortArbiter, &PortArbiter::from_outside>(this));
    inside_ = link("inside", new SST::Event::Handler<PortArbiter, &PortArbiter::from_inside>(this));
    wakes_ = configureSelfLink("wakes", ps_, new SST::Event::Handler<PortArbiter, &PortArbiter::wake>(this));
    delayed_statistic_ = registerStatistic<uint64_t>("delayed");
}

SST::Link* PortArbiter::link(const char* port, SST::Event::HandlerBase* handler) {
    SST::Link* found = configureLink(port, ps_, handler);
    if (found == nullptr)
        output_.fatal(CALL_INFO, 1, "%s: port '%s' is not connected\n", getName().c_str(), port);
    return found;
}

// memHierarchy's elements tell each other before the run who is reached where.
void PortArbiter::pass_untimed() {
    while (SST::Event* event = outside_->recvUntimedData()) inside_->sendUntimedData(event);
    while (SST::Event* event = inside_->recvUntimedData()) outside_->sendUntimedData(event);
}

void PortArbiter::init(unsigned) { pass_untimed(); }

void PortArbiter::complete(unsigned) { pass_untimed(); }

void PortArbiter::from_outside(SST::Event* event) {
    const auto* request = dynamic_cast<MemEvent*>(event);
    // The data of a write has crossed the link already, and its acknowledgement has none.
    const bool is_read = request != nullptr && (request->getCmd() == Command::GetS || request->getCmd() == Command::GetSX);
    if (!is_read) {
        inside_->send(event);
        return;
    }
    const uint64_t now = getCurrentSimTime(ps_) * FINE;
    if (!will_wake_) free_ = std::max(free_, now);
    const auto stream = streams_.emplace(request->getThreadID(), uint32_t(streams_.size())).first->second;
    waiting_.push(stream, {event, request->getSize()});
    if (free_ > now) ++delayed_;
    if (!will_wake_) serve();
}

void PortArbiter::from_inside(SST::Event* event) { outside_->send(event); }

void PortArbiter::wake(SST::Event* event) {
    delete event;
    serve();
}

void PortArbiter::serve() {
    const uint64_t now = getCurrentSimTime(ps_) * FINE;
    while (!waiting_.empty() && free_ <= now) {
        const Waiting next = waiting_.pop();
        free_ += uint64_t(std::llround(next.bytes * fine_per_byte_));
        inside_->send(next.event);
    }
    will_wake_ = !waiting_.empty();
    if (will_wake_) wakes_->send((free_ - now + FINE - 1) / FINE, new IndexEvent(0));
}

void PortArbiter::finish() { delayed_statistic_->addData(delayed_); }

}  // namespace moecosim

#include "hub.h"

#include "signal_event.h"

namespace moecosim {

Hub::Hub(SST::ComponentId_t id, SST::Params& params)
    : Component(id), output_("moecosim: ", 0, 0, SST::Output::STDERR) {
    const auto ports = params.find<int>("ports", 0);
    if (ports < 1) output_.fatal(CALL_INFO, 1, "%s: parameter 'ports' must be at least 1\n", getName().c_str());
    for (int i = 0; i < ports; ++i) {
        const std::string port = "core" + std::to_string(i);
        SST::Link* link = configureLink(port, "1ps", new SST::Event::Handler<Hub, &Hub::pass_on, int>(this, i));
        if (link == nullptr)
            output_.fatal(CALL_INFO, 1, "%s: port '%s' is not connected\n", getName().c_str(), port.c_str());
        links_.push_back(link);
    }
    signals_statistic_ = registerStatistic<uint64_t>("signals");
}

void Hub::pass_on(SST::Event* event, int from) {
    ++signals_;
    for (size_t i = 0; i < links_.size(); ++i)
        if (int(i) != from) links_[i]->send(event->clone());
    delete event;
}

void Hub::finish() { signals_statistic_->addData(signals_); }

}  // namespace moecosim

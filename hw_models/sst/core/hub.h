#ifndef MOECOSIM_HUB_H
#define MOECOSIM_HUB_H

#include <sst/core/component.h>
#include <sst/core/link.h>
#include <sst/core/output.h>

#include <vector>

namespace moecosim {

// Passes every signal of one device to all the others, at once: the links and the receiving cores
// make up the latency.
class Hub : public SST::Component {
public:
    SST_ELI_REGISTER_COMPONENT(Hub, "moecosim", "Hub", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "Token exchange between the StreamCores of several devices",
                               COMPONENT_CATEGORY_UNCATEGORIZED)
    SST_ELI_DOCUMENT_PARAMS({"ports", "(uint) Number of connected ports, core0 to core<ports - 1>", NULL})
    SST_ELI_DOCUMENT_PORTS({"core%(ports)d", "To the hub port of one StreamCore", {"moecosim.SignalEvent"}})
    SST_ELI_DOCUMENT_STATISTICS({"signals", "Signals received from cores", "signals", 1})

    Hub(SST::ComponentId_t id, SST::Params& params);
    void finish() override;

private:
    void pass_on(SST::Event* event, int from);

    SST::Output output_;
    std::vector<SST::Link*> links_;
    uint64_t signals_ = 0;
    SST::Statistics::Statistic<uint64_t>* signals_statistic_;
};

}  // namespace moecosim

#endif

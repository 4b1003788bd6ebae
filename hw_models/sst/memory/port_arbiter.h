#ifndef MOECOSIM_PORT_ARBITER_H
#define MOECOSIM_PORT_ARBITER_H

#include <sst/core/component.h>
#include <sst/core/link.h>
#include <sst/core/output.h>

#include <cstdint>
#include <unordered_map>

#include "fair_queue.h"

namespace moecosim {

// Stands between a device's memories and the directory through which others reach them. It lets
// reads in no faster than the device's link can take their data away, and the request streams of all
// devices take turns, as at a channel's own controller. Without it the memory would be read ahead of
// the link, the data wait at the network interface without limit, and the deeper window get more.
class PortArbiter : public SST::Component {
public:
    SST_ELI_REGISTER_COMPONENT(PortArbiter, "moecosim", "PortArbiter", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "Lets reads from outside into a device in turn, no faster than its link",
                               COMPONENT_CATEGORY_UNCATEGORIZED)
    SST_ELI_DOCUMENT_PARAMS({"bandwidth", "(string) Payload rate of the device's link out, e.g. '64GB/s'", NULL})
    SST_ELI_DOCUMENT_PORTS({"outside", "To the directory's 'lowlink'", {"memHierarchy.MemEventBase"}},
                           {"inside", "To the device's bus or memory controller", {"memHierarchy.MemEventBase"}})
    SST_ELI_DOCUMENT_STATISTICS({"delayed", "Reads that waited for their turn", "requests", 1})

    PortArbiter(SST::ComponentId_t id, SST::Params& params);

    void init(unsigned phase) override;
    void complete(unsigned phase) override;
    void finish() override;

private:
    struct Waiting {
        SST::Event* event;
        uint32_t bytes;
    };

    SST::Link* link(const char* port, SST::Event::HandlerBase* handler);
    void pass_untimed();
    void from_outside(SST::Event* event);
    void from_inside(SST::Event* event);
    void wake(SST::Event* event);
    void serve();

    SST::Output output_;
    SST::TimeConverter ps_;
    SST::Link* outside_;
    SST::Link* inside_;
    SST::Link* wakes_;
    double fine_per_byte_;
    uint64_t free_ = 0;  // when the link is, in 1/1024 ps
    bool will_wake_ = false;
    FairQueue<Waiting> waiting_;
    std::unordered_map<uint32_t, uint32_t> streams_;  // numbered as they come
    uint64_t delayed_ = 0;
    SST::Statistics::Statistic<uint64_t>* delayed_statistic_;
};

}  // namespace moecosim

#endif

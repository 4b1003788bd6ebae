#ifndef MOECOSIM_CHANNEL_CONVERTOR_H
#define MOECOSIM_CHANNEL_CONVERTOR_H

#include <sst/elements/memHierarchy/membackend/memBackendConvertor.h>

#include <cstdint>
#include <functional>

#include "channel_backend.h"

namespace moecosim {

// Hands a memory controller's events to its ChannelBackend whole, when they arrive. memHierarchy's
// own convertor cuts them into requests of one width, and starts them at the controller's clock.
class ChannelConvertor : public SST::MemHierarchy::MemBackendConvertor {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(ChannelConvertor, "moecosim", "ChannelConvertor", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "Hands a controller's requests to a ChannelBackend; loaded by the controller",
                                  SST::MemHierarchy::MemBackendConvertor)
    SST_ELI_DOCUMENT_PARAMS(MEMBACKENDCONVERTOR_ELI_PARAMS)
    SST_ELI_DOCUMENT_STATISTICS(MEMBACKENDCONVERTOR_ELI_STATS)

    ChannelConvertor(SST::ComponentId_t id, SST::Params& params, SST::MemHierarchy::MemBackend* backend,
                     uint32_t request_width);

    void handleMemEvent(SST::MemHierarchy::MemEvent* event) override;
    bool clock(SST::Cycle_t) override { return true; }  // there is nothing to do on it: turn it off
    void turnClockOn(SST::Cycle_t) override {}
    void turnClockOff() override {}
    void setCallbackHandlers(std::function<void(SST::Event::id_type, uint32_t)> respond,
                             std::function<SST::Cycle_t()> enable_clock) override;

private:
    bool issue(BaseReq* request) override;
    void answer(ReqId id);

    ChannelBackend* channels_;
    std::function<void(SST::Event::id_type, uint32_t)> respond_;
};

}  // namespace moecosim

#endif

#ifndef MOECOSIM_LINE_CONVERTOR_H
#define MOECOSIM_LINE_CONVERTOR_H

#include <sst/elements/memHierarchy/membackend/memBackendConvertor.h>

#include <cstdint>
#include <functional>

#include "line_backend.h"

namespace moecosim {

// Hands a memory controller's events to its LineBackend whole, when they arrive. memHierarchy's
// own convertor cuts them into requests of one width, and starts them at the controller's clock.
class LineConvertor : public SST::MemHierarchy::MemBackendConvertor {
public:
    SST_ELI_REGISTER_SUBCOMPONENT(LineConvertor, "moecosim", "LineConvertor", SST_ELI_ELEMENT_VERSION(1, 0, 0),
                                  "Hands a controller's requests to a LineBackend; loaded by the controller",
                                  SST::MemHierarchy::MemBackendConvertor)
    SST_ELI_DOCUMENT_PARAMS(MEMBACKENDCONVERTOR_ELI_PARAMS)
    SST_ELI_DOCUMENT_STATISTICS(MEMBACKENDCONVERTOR_ELI_STATS)

    LineConvertor(SST::ComponentId_t id, SST::Params& params, SST::MemHierarchy::MemBackend* backend,
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

    LineBackend* lines_;
    std::function<void(SST::Event::id_type, uint32_t)> respond_;
};

}  // namespace moecosim

#endif

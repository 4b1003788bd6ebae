#include "line_convertor.h"

#include <sst/core/output.h>

namespace moecosim {

using SST::MemHierarchy::Command;
using SST::MemHierarchy::MemEvent;

LineConvertor::LineConvertor(SST::ComponentId_t id, SST::Params& params, SST::MemHierarchy::MemBackend* backend,
                             uint32_t request_width)
    : MemBackendConvertor(id, params, backend, request_width), lines_(dynamic_cast<LineBackend*>(backend)) {
    if (lines_ == nullptr)
        getSimulationOutput().fatal(CALL_INFO, 1, "%s: works with back ends of moecosim only\n", getName().c_str());
    lines_->setResponseHandler([this](ReqId request) { answer(request); });
}

void LineConvertor::handleMemEvent(MemEvent* event) {
    const Command command = event->getCmd();
    if (command == Command::FlushLine || command == Command::FlushLineInv) {
        respond_(event->getID(), event->getFlags());  // there are no caches: nothing to write back
        return;
    }
    const bool is_write = command == Command::Write || command == Command::PutM;
    const uint32_t bytes = event->getSize();
    if (is_write) {
        // Else the acknowledgement, a copy of the event, would carry the data all the way back.
        event->setPayload(0, nullptr);
        event->setSize(bytes);
    }
    // The controller keeps the event until it is answered, so its address serves as the request's id.
    lines_->accept({reinterpret_cast<ReqId>(event), event->getAddr(), bytes, event->getInstructionPointer(),
                       event->getThreadID(), event->getVirtualAddress(), is_write});
}

void LineConvertor::answer(ReqId id) {
    auto* event = reinterpret_cast<MemEvent*>(id);
    respond_(event->getID(), event->getFlags());
}

bool LineConvertor::issue(BaseReq* request) {
    // Only custom requests come this way: handleMemEvent takes all others.
    getSimulationOutput().fatal(CALL_INFO, 1, "%s: a custom request (%s) reached a LineBackend\n",
                                getName().c_str(), request->getString().c_str());
    return false;
}

void LineConvertor::setCallbackHandlers(std::function<void(SST::Event::id_type, uint32_t)> respond,
                                           std::function<SST::Cycle_t()> enable_clock) {
    respond_ = respond;
    MemBackendConvertor::setCallbackHandlers(respond, enable_clock);
}

}  // namespace moecosim

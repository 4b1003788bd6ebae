#ifndef MOECOSIM_LINE_BACKEND_H
#define MOECOSIM_LINE_BACKEND_H

#include <sst/elements/memHierarchy/membackend/memBackend.h>

#include <cstdint>
#include <string>

namespace moecosim {

// A back end that takes a core's lines whole, when they arrive, and keeps its own time.
class LineBackend : public SST::MemHierarchy::SimpleMemBackend {
public:
    struct Request {
        ReqId id;
        uint64_t address;  // from the start of this memory
        uint64_t bytes;
        uint64_t block_bytes;  // contiguous run length of the access it belongs to; 0: unknown
        uint32_t stream;  // access of an event that it is part of
        uint64_t lane;  // that asks
        bool is_write;
    };

    using SimpleMemBackend::SimpleMemBackend;

    virtual void accept(const Request& request) = 0;
    bool issueRequest(ReqId id, SST::MemHierarchy::Addr address, bool is_write, unsigned bytes) override {
        accept({id, address, bytes, 0, 0, 0, is_write});
        return true;
    }
    bool isClocked() override { return false; }
    std::string getBackendConvertorType() override { return "moecosim.LineConvertor"; }
};

}  // namespace moecosim

#endif

#ifndef MOECOSIM_RESPONSE_READER_H
#define MOECOSIM_RESPONSE_READER_H

#include <sst/core/interfaces/stdMem.h>

#include <cstdint>

namespace moecosim {

// What a core wants to know of a response, read without asking for its type twice.
class ResponseReader : public SST::Interfaces::StandardMem::RequestHandler {
public:
    using StandardMem = SST::Interfaces::StandardMem;

    explicit ResponseReader(SST::Output* output) : RequestHandler(output) {}

    void handle(StandardMem::ReadResp* response) override {
        request_id = response->tid;
        address = response->pAddr;
        bytes = response->size;
        is_write = false;
    }
    void handle(StandardMem::WriteResp* response) override {
        request_id = response->tid;
        address = response->pAddr;
        bytes = response->size;
        is_write = true;
    }

    uint32_t request_id = 0;
    uint64_t address = 0;
    uint64_t bytes = 0;
    bool is_write = false;
};

}  // namespace moecosim

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The card's PCI configuration space. QEMU emulates the BARs, the ROM and the
 * MSI-X capability for its guest, but begins with what is in here.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "vfio_user_priv.h"

#define CAP_MSIX	0x40u		/* where the only capability is */

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value);
	put16(p + 2, value >> 16);
}

void vu_config_init(struct vu_config *config,
		    const struct vfio_user_ident *ident)
{
	uint8_t *byte = config->byte;
	uint8_t *writable = config->writable;
	uint8_t *cap = byte + CAP_MSIX;

	memset(config, 0, sizeof(*config));
	put16(byte + PCI_VENDOR_ID, ident->vendor);
	put16(byte + PCI_DEVICE_ID, ident->device);
	put16(byte + PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(byte + PCI_CLASS_REVISION, ident->class << 8 | ident->revision);
	put16(byte + PCI_SUBSYSTEM_VENDOR_ID, ident->vendor);
	put16(byte + PCI_SUBSYSTEM_ID, ident->device);
	byte[PCI_CAPABILITY_LIST] = CAP_MSIX;

	cap[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	put16(cap + PCI_MSIX_FLAGS, ident->vectors - 1u);
	put32(cap + PCI_MSIX_TABLE, VU_REGION_BAR2);
	put32(cap + PCI_MSIX_PBA, VU_PBA_OFFSET | VU_REGION_BAR2);

	put16(writable + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
	      PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
	      PCI_COMMAND_INTX_DISABLE);
	writable[PCI_CACHE_LINE_SIZE] = 0xff;
	writable[PCI_LATENCY_TIMER] = 0xff;
	put32(writable + PCI_BASE_ADDRESS_0, ~(ident->bar0_size - 1));
	put32(writable + PCI_BASE_ADDRESS_2, ~(VU_BAR2_SIZE - 1));
	writable[PCI_INTERRUPT_LINE] = 0xff;
	put16(writable + CAP_MSIX + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

/* Whatever can be written is 0 at power on. */
void vu_config_reset(struct vu_config *config)
{
	for (size_t i = 0; i < VU_CONFIG_SIZE; i++)
		config->byte[i] &= (uint8_t)~config->writable[i];
}

void vu_config_write(struct vu_config *config, size_t offset,
		     const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t mask = config->writable[offset + i];
		uint8_t *byte = &config->byte[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (data[i] & mask));
	}
}

bool vu_config_master(const struct vu_config *config)
{
	return config->byte[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

bool vu_config_msix_enabled(const struct vu_config *config)
{
	return config->byte[CAP_MSIX + PCI_MSIX_FLAGS + 1] &
	       (PCI_MSIX_FLAGS_ENABLE >> 8);
}
